"""Audio files are read and converted to float32 samples.

Place in the chain: before the encoder. Delay: none, because resampling keeps signals aligned.
`dsp.audio_file` reads files in blocks, so that a long file needs no more memory than the samples that are coded. A
signal with one channel has the shape (n,), a signal with two channels (n, 2).
"""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dsp.audio_file import downmix, open_source, read_audio_file, source_name
from dsp.signals import checked_signal
from lpcnet_cq.bitstream.container import SAMPLE_RATES_HZ

CANCELLED = 100.0  # ratio of the power of the channels to that of their mean, above which a warning is given


@dataclass(frozen=True)
class Recording:
    """Hold the samples of an audio file, and notes on what was changed.

    Attributes
    ----------
    x : float32 array (n_samples,) or (n_samples, 2)
        Samples in -1..1.
    sample_rate_hz : int
        Sample rate of x.
    original_hz : int
        Sample rate of the file.
    notes : list of str
        Changes of the signal (resampling, downmixing, clipping) and defects of the file, for the user.
    """

    x: np.ndarray
    sample_rate_hz: int
    original_hz: int
    notes: list[str]


def prepare(x: np.ndarray, from_hz: int, to_hz: int, channels: int = 1) -> np.ndarray:
    """Check a signal, downmix it if it has more channels than the codec, and resample it.

    Warns if the channels cancel each other in the downmix.

    Parameters
    ----------
    x : array (n,) or (n, up to 8 channels)
        Floats in [-1, 1], int16 or int32: see `dsp.signals.checked_signal`.
    from_hz, to_hz : int
        1000..768000.
    channels : int
        Maximum number of channels, 1 or 2; signals with more channels are downmixed to their mean.

    Returns
    -------
    float32 array (ceil(n to_hz / from_hz),) or (ceil(n to_hz / from_hz), 2)

    Raises
    ------
    ValueError
        If the shape, type or scale of `x` is wrong, a value is not finite, or a sample rate is outside its range.

    Examples
    --------
    >>> prepare(np.array([[0.5, 0.25], [0.0, 1.0]]), 16000, 16000).tolist()
    [0.375, 0.5]
    """
    x = checked_signal("x", x, dtype=np.float32)
    if x.ndim == 2:
        power, x = float(np.mean(np.square(x, dtype=np.float64))) if len(x) else 0.0, downmix(x, channels)
        if len(x) and x.ndim == 1 and power > CANCELLED * float(np.mean(np.square(x, dtype=np.float64))):
            warnings.warn("the channels of `x` cancel: their mean is more than 20 dB below them", stacklevel=3)
    return x if from_hz == to_hz else resample(x, from_hz, to_hz)


def resample(x: np.ndarray, from_hz: int, to_hz: int) -> np.ndarray:
    """Change the sample rate with a linear-phase filter that keeps the signal aligned.

    Parameters
    ----------
    x : float32 array (n,) or (n, 2)
    from_hz, to_hz : int
        1000..768000.

    Returns
    -------
    float32 array (ceil(n to_hz / from_hz),) or (ceil(n to_hz / from_hz), 2)

    Raises
    ------
    ValueError
        If a sample rate is outside its range.

    Examples
    --------
    >>> resample(np.zeros(441, np.float32), 44100, 16000).shape
    (160,)
    """
    for rate_hz in (from_hz, to_hz):
        if rate_hz not in SAMPLE_RATES_HZ:
            raise ValueError(f"the sample rate of {rate_hz} Hz must be 1000..768000 Hz")
    x = np.ascontiguousarray(x, np.float32)
    if from_hz == to_hz or not len(x):
        return x
    import soxr

    y = soxr.resample(x, from_hz, to_hz, quality="HQ")
    n = -(-len(x) * to_hz // from_hz)
    return np.pad(y, [(0, n - len(y))] + [(0, 0)] * (y.ndim - 1))  # soxr rounds to the nearest length, possibly 0


def read_audio(source: str | os.PathLike[str] | BinaryIO, target_hz: int | None = None, channels: int = 1) -> Recording:
    """Read an audio file to float32 samples, up to the end of its data, even if its header gives another length.

    Formats are WAV, FLAC, OGG, AIFF, MP3 and all others of libsndfile, with any word length, any sample rate of
    1000..768000 Hz and up to 8 channels. Truncated, concatenated and damaged files are read as far as possible. Files
    with more than `channels` channels are downmixed, and samples beyond full scale are clipped. Notes report all
    changes and defects.

    Parameters
    ----------
    source : str, Path or binary file object
        File, pipe, "-" for standard input, or an open file.
    target_hz : int, optional
        Sample rate of the result; by default that of the file.
    channels : int
        1, or 2 to keep both channels of a stereo file.

    Raises
    ------
    ValueError
        If the source cannot be read, is not an audio file, or contains no samples, more than 8 channels, or NaN or
        infinite samples.
    """
    audio = read_audio_file(source, channels)
    x, original_hz, notes = audio.x, audio.sample_rate_hz, list(audio.notes)
    if original_hz not in SAMPLE_RATES_HZ:
        raise ValueError(f"{source_name(source)} has {original_hz} Hz; sample rates must be 1000..768000 Hz")
    n_loud = int(np.count_nonzero((x > 1) | (x < -1)))
    if n_loud:
        np.clip(x, -1, 1, out=x)
        notes.append(f"clipped {n_loud} samples beyond full scale")
    if target_hz not in (None, original_hz):
        x = resample(x, original_hz, target_hz)
        notes.append(f"resampled {original_hz} -> {target_hz} Hz")
    return Recording(x, target_hz or original_hz, original_hz, notes)


@contextmanager
def opened(source: str | Path, name: str) -> Iterator[BinaryIO]:
    """Open a file or standard input as a seekable file; a pipe is read into memory first."""
    with open_source(source, name) as file:
        yield file if file.seekable() else io.BytesIO(file.read())
