"""Audio files: what comes in becomes float32, what goes out is a 16-bit WAV file, whole or not at all.

Place in the chain: before the encoder and behind the decoder. Delay: none, resampling keeps signals aligned.
`dsp.audio_file` reads files, in blocks, so that a long one needs no more memory than the samples that are coded. A
signal of one channel is (n,), one of two is (n, 2).
"""

import errno
import io
import os
import shutil
import sys
import uuid
import warnings
import wave
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dsp.audio_file import downmix, open_source, read_audio_file, source_name
from dsp.signals import checked_signal
from lpcnet_cq.bitstream.container import SAMPLE_RATES_HZ

BLOCK = 1 << 16  # samples per channel
CANCELLED = 100.0  # power of the channels over that of their mix, above which the mix is warned of
WAV_MAX_BYTES = 0xFFFFFFFF - 44  # 32-bit sizes, header included


@dataclass(frozen=True)
class Recording:
    """Hold what was read: samples and what was done to them.

    Attributes
    ----------
    x : float32 array (n_samples,) or (n_samples, 2)
        Samples in -1..1.
    sample_rate_hz : int
        Rate of x.
    original_hz : int
        Rate of the file.
    notes : list of str
        What was changed, for the user to see; empty for a file at the wanted rate that has no channel too many.
    """

    x: np.ndarray
    sample_rate_hz: int
    original_hz: int
    notes: list[str]


def prepare(x: np.ndarray, from_hz: int, to_hz: int, channels: int = 1) -> np.ndarray:
    """Check a signal, mix it down if it has more channels than are coded, and bring it to another sample rate.

    A mix in which the channels cancel is warned of.

    Parameters
    ----------
    x : array (n,) or (n, up to 8 channels)
        Floats in [-1, 1], int16 or int32: see `dsp.signals.checked_signal`.
    from_hz, to_hz : int
        1000..768000.
    channels : int
        1 or 2: as many are kept; of more the mean is taken.

    Returns
    -------
    float32 array (ceil(n to_hz / from_hz),) or (ceil(n to_hz / from_hz), 2)

    Raises
    ------
    ValueError
        If `x` has another shape, type or scale or values that are not finite, or a rate lies outside this range.

    Examples
    --------
    >>> prepare(np.array([[0.5, 0.25], [0.0, 1.0]]), 16000, 16000).tolist()
    [0.375, 0.5]
    """
    x = checked_signal("x", x, dtype=np.float32)
    if x.ndim == 2:
        power, x = float(np.mean(np.square(x, dtype=np.float64))) if len(x) else 0.0, downmix(x, channels)
        if x.ndim == 1 and power > CANCELLED * float(np.mean(np.square(x, dtype=np.float64))):
            warnings.warn("the channels of `x` cancel: their mix is more than 20 dB below them", stacklevel=3)
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
        If a rate lies outside this range.

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
    return np.pad(y, [(0, n - len(y))] + [(0, 0)] * (y.ndim - 1))  # soxr rounds to the nearest length, which may be 0


def read_audio(source: str | os.PathLike[str] | BinaryIO, target_hz: int | None = None, channels: int = 1) -> Recording:
    """Read any audio file to float32 samples, to the end of its data, whatever length its header gives.

    WAV, FLAC, OGG, AIFF, MP3 and what else libsndfile knows, of any width, rate and number of channels; also files that
    are cut off, joined or damaged in the middle. Channels beyond those wanted are averaged; floats beyond full scale
    are clipped; all of this is noted.

    Parameters
    ----------
    source : str, Path or binary file object
        File, pipe, "-" for standard input, or an open file.
    target_hz : int, optional
        Rate to convert to; the file's own without it.
    channels : int
        1, or 2 to keep both channels of a file that has two.

    Raises
    ------
    ValueError
        If the source cannot be read, is no audio file, holds no samples, or holds NaN or infinite samples.
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
    """Open a file or standard input so that it can be sought in; a pipe is read into memory first."""
    with open_source(source, name) as file:
        yield file if file.seekable() else io.BytesIO(file.read())


def write_wav(target: str | Path, y: np.ndarray, sample_rate_hz: int) -> None:
    """Write samples as 16-bit WAV; what lies beyond full scale is clipped.

    Parameters
    ----------
    target : str or Path
        File, or "-" for standard output.
    y : float array (n_samples,) or (n_samples, 2)
        Samples in -1..1, finite.
    sample_rate_hz : int

    Raises
    ------
    ValueError
        If y is not finite or too long for a WAV file (4 GiB).
    OSError
        If it cannot be written; nothing is left behind then.
    """
    channels = np.ndim(y)
    width = 2 * channels  # bytes of one sample in all channels
    n_bytes = width * len(y)
    if n_bytes > WAV_MAX_BYTES:
        raise ValueError(f"y of {len(y)} samples must be at most {WAV_MAX_BYTES // width} for a WAV file")
    if not np.isfinite(y).all():
        raise ValueError("y holds NaN or infinite samples; all must be finite")
    with replacing(target) as file, wave.open(file, "wb") as wav:
        wav.setparams((channels, 2, sample_rate_hz, len(y), "NONE", ""))  # known length: nothing is patched later
        for start in range(0, len(y), BLOCK):
            wav.writeframesraw(to_pcm16(y[start : start + BLOCK]).tobytes())


def to_pcm16(y: np.ndarray) -> np.ndarray:
    """Round samples in -1..1 to 16-bit integers, little-endian.

    Examples
    --------
    >>> to_pcm16(np.array([-1.5, -1.0, 0.5, 1.0])).tolist()
    [-32768, -32768, 16384, 32767]
    """
    return np.clip(np.rint(np.asarray(y) * 32768.0), -32768, 32767).astype("<i2")


def is_regular(path: str | Path) -> bool:
    """Say whether a path names an existing file: no folder, pipe or device, no descriptor below /dev or /proc."""
    return os.path.isfile(path) and not os.path.abspath(path).startswith(("/dev/", "/proc/"))


@contextmanager
def replacing(target: str | Path) -> Iterator[BinaryIO]:
    """Give a binary file whose content appears under its name only when it is whole.

    Parameters
    ----------
    target : str or Path
        File, or "-" for standard output. Devices, pipes and open descriptors (/dev/fd/3) are written to as they are.
        An existing file's permissions are kept.

    Raises
    ------
    OSError
        If it cannot be written; it carries the target's name, and nothing is left behind.
    """
    path = os.path.realpath(target)  # through links: the file is replaced, not the link
    as_it_is = str(target) == "-" or (os.path.exists(target) and not is_regular(target))
    # The partial file's name is short: one that holds the target's may exceed what the file system allows.
    partial = str(target) if as_it_is else os.path.join(os.path.dirname(path), f".{uuid.uuid4().hex}.partial")
    try:
        if str(target) == "-" and sys.stdout is None:
            raise OSError(errno.EBADF, "standard output is closed")
        try:
            mode = "wb" if as_it_is else "xb"
            with nullcontext(sys.stdout.buffer) if str(target) == "-" else open(partial, mode) as file:
                yield file
                file.flush()
            if not as_it_is:
                if os.path.exists(path):
                    shutil.copymode(path, partial)
                os.replace(partial, path)
        finally:
            if not as_it_is and os.path.exists(partial):
                os.remove(partial)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
