"""What users give to a codec: samples as an array or a file, and streams as bytes or a file.

Place in the chain: beside `codec`, which codes them.
"""

import os
import warnings
from numbers import Real
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import ArrayLike

from dsp.audio_file import check_file, open_source, source_name
from dsp.signals import checked_rate, checked_signal
from lpcnet_cq.audio.reader import read_audio
from lpcnet_cq.bitstream.container import SAMPLE_RATES_HZ


def samples_of(
    x: ArrayLike | str | os.PathLike[str] | BinaryIO, sample_rate_hz: int | None, channels: int
) -> tuple[np.ndarray, int]:
    """Return samples and sample rate of an array or file; warn of every defect of a file.

    Raises
    ------
    ValueError
        If an array is not allowed or has no rate, a file has two rates or cannot be read.
    """
    if isinstance(x, str | os.PathLike) or hasattr(x, "read"):
        if sample_rate_hz is not None:
            raise ValueError(f"`sample_rate_hz` is {sample_rate_hz!r}, it must be left out: the file has its own")
        check_file("x", x)
        audio = read_audio(cast(BinaryIO, x), channels=channels)
        for note in audio.notes:
            warnings.warn(note, stacklevel=3)
        return audio.x, audio.sample_rate_hz
    if _is_pair(x):
        raise ValueError(
            "`x` holds samples and a sample rate, it must be the samples: give the rate as `sample_rate_hz`"
        )
    signal = checked_signal("x", cast(ArrayLike, x), dtype=np.float32)
    if sample_rate_hz is None:
        raise ValueError("`sample_rate_hz` is None, it must be given for an array")
    rate_hz = checked_rate("sample_rate_hz", sample_rate_hz, SAMPLE_RATES_HZ[0], SAMPLE_RATES_HZ[-1])
    return signal, rate_hz


def _is_pair(x: object) -> bool:
    """Return whether this is a tuple of samples and a sample rate, in any order, as functions that read files give."""
    parts = list(x) if isinstance(x, tuple) else []
    return any(isinstance(p, np.ndarray) and p.ndim > 0 for p in parts) and any(isinstance(p, Real) for p in parts)


def stream_bytes(data: bytes | str | os.PathLike[str] | BinaryIO) -> bytes:
    """Return the bytes of a stream that is given as bytes, path or binary file object.

    Raises
    ------
    ValueError
        If `data` has another type, or the file cannot be read.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if not isinstance(data, str | os.PathLike) and not hasattr(data, "read"):
        raise ValueError(f"`data` is of type {type(data).__name__}, it must be bytes, a path or a binary file")
    check_file("data", data)
    with open_source(data, source_name(data)) as file:
        content = file.read()
    if not isinstance(content, bytes):
        raise ValueError(f"`data` reads {type(content).__name__}, it must be opened in binary mode")
    return content
