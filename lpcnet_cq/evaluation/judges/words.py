"""Words that a speech recogniser hears differently in decoded speech.

Place in the chain: none; a judge of the benchmark. The reference is what the recogniser hears in the original, because
its errors on accents, children and phones are many more than those that a codec adds.
"""

import functools
import importlib

import numpy as np

from lpcnet_cq.evaluation.metrics import METRIC_RATE_HZ, check_rate


def changed(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Return the word error rate of y (n,) against the words heard in the original x (n,); NaN if there are none."""
    check_rate("words", sample_rate_hz)
    return error_rate(heard(x), heard(y))


def error_rate(wanted: tuple[str, ...], found: tuple[str, ...]) -> float:
    """Return insertions, deletions and substitutions per wanted word; NaN if no word is wanted.

    >>> error_rate(("a", "b", "c", "d"), ("a", "c", "e"))
    0.5
    """
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.distance(wanted, found) / len(wanted) if wanted else float("nan")


def heard(x: np.ndarray) -> tuple[str, ...]:
    """Return the words that the recogniser hears in x (n,), with its English models, at 16 kHz."""
    return _heard(np.round(32767 * x.clip(-1, 1)).astype("<i2").tobytes())


@functools.lru_cache(64)  # the original is heard once for all codecs, if they come one after the other
def _heard(pcm: bytes) -> tuple[str, ...]:
    decoder = _decoder()
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    found = decoder.hyp()
    return tuple(found.hypstr.split()) if found else ()


@functools.cache
def _decoder():
    """Load the recogniser."""
    return importlib.import_module("pocketsphinx").Decoder(samprate=METRIC_RATE_HZ, loglevel="FATAL")
