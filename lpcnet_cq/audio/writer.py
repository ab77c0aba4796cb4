"""Decoded samples are written as 16-bit WAV files or raw PCM.

Place in the chain: after the decoder. Delay: none. A signal with one channel has the shape (n,), a signal with two
channels (n, 2).
"""

import io
import wave
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lpcnet_cq.output import replacing

BLOCK = 1 << 16  # samples per channel
UNKNOWN = b"\xff\xff\xff\xff"  # in place of a length
WAV_MAX_BYTES = 0xFFFFFFFF - 44  # WAV files have 32-bit sizes, which include the header


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
