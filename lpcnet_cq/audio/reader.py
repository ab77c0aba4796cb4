"""Audio files: input is converted to float32 samples, output is written as a complete 16-bit WAV file.

Place in the chain: before the encoder and after the decoder. Delay: none, because resampling keeps signals aligned.
`dsp.audio_file` reads files in blocks, so that a long file needs no more memory than the samples that are coded. A
signal with one channel has the shape (n,), a signal with two channels (n, 2).
"""

import errno
import hashlib
import io
import os
import shutil
import sys
import uuid
import warnings
import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from dsp.audio_file import downmix, open_source, read_audio_file, source_name
from dsp.signals import checked_signal
from lpcnet_cq.bitstream.container import SAMPLE_RATES_HZ

BLOCK = 1 << 16  # samples per channel
CANCELLED = 100.0  # ratio of the power of the channels to that of their mean, above which a warning is given
PARTIAL = ".partial"  # suffix of files that are being written
UNKNOWN = b"\xff\xff\xff\xff"  # in place of a length
WAV_MAX_BYTES = 0xFFFFFFFF - 44  # WAV files have 32-bit sizes, which include the header


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

    Formats are WAV, FLAC, OGG, AIFF, MP3 and all others of libsndfile, with any word length, sample rate and number of
    channels. Truncated, concatenated and damaged files are read as far as possible. Files with more than `channels`
    channels are downmixed, and samples beyond full scale are clipped. Notes report all changes and defects.

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
        If the source cannot be read, is not an audio file, or contains no samples, or NaN or infinite samples.
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


def write_wav(target: str | Path, y: np.ndarray, sample_rate_hz: int) -> None:
    """Write samples as a 16-bit WAV file; samples beyond full scale are clipped.

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
        If the file cannot be written; no partial file remains.
    """
    blocks = (y[start : start + BLOCK] for start in range(0, len(y), BLOCK))
    write_wav_blocks(target, blocks, np.ndim(y), sample_rate_hz, len(y))


def write_wav_blocks(
    target: str | Path, blocks: Iterable[np.ndarray], channels: int, sample_rate_hz: int, n_samples: int | None
) -> None:
    """Write blocks of samples as `write_wav` does, each at once.

    Parameters
    ----------
    target : str or Path
    blocks : iterable of float arrays (n,) or (n, 2)
    channels, sample_rate_hz : int
    n_samples : int or None
        Length of all blocks together; None if it is not known. The header of a file gets it afterwards, that of
        standard output or a pipe says that the length is unknown.

    Raises
    ------
    ValueError, OSError
        As `write_wav`.
    """
    width = 2 * channels  # bytes of one sample in all channels
    if n_samples is not None and width * n_samples > WAV_MAX_BYTES:
        raise ValueError(f"y of {n_samples} samples must be at most {WAV_MAX_BYTES // width} for a WAV file")
    with replacing(target) as file:
        file.write(wav_header(channels, sample_rate_hz, n_samples))
        file.flush()
        n = _write_samples(file, blocks)
        if n_samples is None and str(target) != "-" and file.seekable() and width * n <= WAV_MAX_BYTES:
            file.seek(0)
            file.write(wav_header(channels, sample_rate_hz, n))


def write_raw_blocks(target: str | Path, blocks: Iterable[np.ndarray]) -> None:
    """Write blocks of samples as 16-bit PCM without a header, little-endian and interleaved, each at once.

    Parameters
    ----------
    target : str or Path
    blocks : iterable of float arrays (n,) or (n, 2)

    Raises
    ------
    ValueError, OSError
        As `write_wav`.
    """
    with replacing(target) as file:
        _write_samples(file, blocks)


def _write_samples(file: BinaryIO, blocks: Iterable[np.ndarray]) -> int:
    """Write blocks as 16-bit samples; return the number of samples per channel."""
    n = 0
    for y in blocks:
        if not np.isfinite(y).all():
            raise ValueError("y contains NaN or infinite samples; all samples must be finite")
        file.write(to_pcm16(y).tobytes())
        file.flush()
        n += len(y)
    return n


def wav_header(channels: int, sample_rate_hz: int, n_samples: int | None) -> bytes:
    """Return what stands before the samples of a 16-bit WAV file; its lengths are 2^32 - 1 if there is none."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setparams((channels, 2, sample_rate_hz, n_samples or 0, "NONE", ""))
        wav.writeframesraw(b"")
        header = file.getvalue()
    return header if n_samples is not None else header[:4] + UNKNOWN + header[8:-4] + UNKNOWN


def to_pcm16(y: np.ndarray) -> np.ndarray:
    """Round samples in -1..1 to 16-bit integers, little-endian.

    Examples
    --------
    >>> to_pcm16(np.array([-1.5, -1.0, 0.5, 1.0])).tolist()
    [-32768, -32768, 16384, 32767]
    """
    return np.clip(np.rint(np.asarray(y) * 32768.0), -32768, 32767).astype("<i2")


def is_regular(path: str | Path) -> bool:
    """Return whether a path is an existing regular file, and not a folder, pipe, device, or entry of /dev or /proc."""
    return os.path.isfile(path) and not os.path.abspath(path).startswith(("/dev/", "/proc/"))


def partial_prefix(path: str | Path) -> str:
    """Return how the names of partial files of a target begin, so that a lost process leaves files that are known."""
    return f".{hashlib.sha256(os.fsencode(os.path.basename(path))).hexdigest()[:16]}-"


def remove_partials(targets: Iterable[str | Path]) -> None:
    """Remove partial files that lost processes left beside targets; nothing else may write these targets meanwhile."""
    prefixes: dict[str, set[str]] = {}
    for target in targets:
        folder, name = os.path.split(os.path.realpath(target))
        prefixes.setdefault(folder, set()).add(partial_prefix(name))
    for folder, of_targets in prefixes.items():
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name.endswith(PARTIAL) and name.partition("-")[0] + "-" in of_targets:
                os.remove(os.path.join(folder, name))


@contextmanager
def replacing(target: str | Path) -> Iterator[BinaryIO]:
    """Open a binary file for writing that replaces the target only when it is complete.

    Parameters
    ----------
    target : str or Path
        File, or "-" for standard output. Devices, pipes and open descriptors (/dev/fd/3) are written to directly. The
        permissions of an existing file are kept.

    Raises
    ------
    OSError
        If the file cannot be written. The exception contains the name of the target; no partial file remains.
    """
    path = os.path.realpath(target)  # resolves links, so that the file is replaced and not the link
    direct = str(target) == "-" or (os.path.exists(target) and not is_regular(target))
    # A short name for the partial file: the name of the target with a suffix could be too long for the file system.
    name = f"{partial_prefix(path)}{uuid.uuid4().hex}{PARTIAL}"
    partial = str(target) if direct else os.path.join(os.path.dirname(path), name)
    try:
        if str(target) == "-" and sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed")
        try:
            mode = "wb" if direct else "xb"
            with nullcontext(sys.stdout.buffer) if str(target) == "-" else open(partial, mode) as file:
                yield file
                file.flush()
            if not direct:
                if os.path.exists(path):
                    shutil.copymode(path, partial)
                os.replace(partial, path)
        finally:
            if not direct and os.path.exists(partial):
                os.remove(partial)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from error
