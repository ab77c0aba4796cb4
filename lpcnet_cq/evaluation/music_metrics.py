"""What is measured of coded music: its fidelity to the ear, by two models of hearing.

Place in the chain: none; used by `evaluate` and by the experiments. Signals are (n,) or (n, 2), at 44.1 kHz.
"""

import functools

import numpy as np
import soxr

from dsp.psychoacoustics import noise_to_mask_ratio_db
from lpcnet_cq.training.psychoacoustic_loss import FULL_SCALE_DB, HOP

VISQOL_RATE_HZ = 48000  # of its audio mode
SHORTEST_S = 1.2


def channels(x: np.ndarray) -> np.ndarray:
    """Return a signal's channels, (1 or 2, n)."""
    return x[None] if x.ndim == 1 else x.T


def middle(x: np.ndarray) -> np.ndarray:
    """Return the mean of a signal's channels, (n,)."""
    return channels(x).mean(axis=0)


@functools.cache
def _visqol():
    from visqol import VisqolApi

    api = VisqolApi()
    api.create(mode="audio")
    return api


def visqol_audio(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """ViSQOL in audio mode (Chinen et al., 2020) of the middle of `y` against that of `x`, 1..4.75.

    Not a number for less than 1.2 s, of which it can say nothing.
    """
    if len(x) < SHORTEST_S * sample_rate_hz:
        return float("nan")
    a, b = (soxr.resample(middle(v).astype(np.float64), sample_rate_hz, VISQOL_RATE_HZ) for v in (x, y))
    return float(_visqol().measure_from_arrays(a, b, VISQOL_RATE_HZ).moslqo)


def nmr_db(x: np.ndarray, y: np.ndarray, sample_rate_hz: int) -> float:
    """Total noise-to-mask ratio of `y` against `x` in dB: below 0 noise is masked, all in all.

    The mean of the ratio over channels, frames and critical bands, taken as powers, so that what is heard loudest
    counts most.

    References
    ----------
    ITU-R BS.1387-1 (2001), annex 2, 4.5: Total NMR, with the thresholds of `dsp.psychoacoustics`.
    """
    ratio_db = noise_to_mask_ratio_db(channels(x), channels(y), sample_rate_hz, FULL_SCALE_DB, HOP)
    return float(10 * np.log10(np.mean(10 ** (ratio_db / 10))))
