"""Audio in blocks: files and pipes of any length come in and are resampled in constant memory.

Place in the chain: before the encoder, as `reader`, for signals that are too long to be held or still arrive. A block
is (n,), or (n, 2) of two channels.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import BinaryIO, cast

import numpy as np

from dsp.audio_file import AudioBlocks, open_audio_file, open_audio_stream, open_raw_audio, source_name
from lpcnet_cq.bitstream.container import SAMPLE_RATES_HZ


def open_audio(
    source: str | os.PathLike[str] | BinaryIO,
    channels: int = 1,
    arriving: bool = False,
    raw: tuple[int, int] | None = None,
) -> AudioBlocks:
    """Open any audio file or pipe: as `audio.reader.read_audio`, with the samples in blocks.

    Parameters
    ----------
    source : str, Path or binary file object
    channels : int
        1, or 2 to keep both channels of a file that has two.
    arriving : bool
        True for an open pipe, of which each block is what was there when it was asked for.
    raw : (int, int), optional
        Sample rate in Hz and channels of 16-bit samples without a header; by default the header says what there is.

    Raises
    ------
    ValueError
        If the source cannot be read or is no audio file; from the blocks, as `read_audio` does.
    """
    name = source_name(source)
    if raw:
        audio = open_raw_audio(source, *raw, channels)
    elif arriving:
        audio = open_audio_stream(cast(BinaryIO, source), name, channels)
    else:
        audio = open_audio_file(source, channels)
    if audio.sample_rate_hz not in SAMPLE_RATES_HZ:
        raise ValueError(f"{name} has {audio.sample_rate_hz} Hz; sample rates must be 1000..768000 Hz")
    return replace(audio, blocks=_clipped(audio))


def _clipped(audio: AudioBlocks) -> Iterator[np.ndarray]:
    n_loud = 0
    for x in audio.blocks:
        loud = int(np.count_nonzero((x > 1) | (x < -1)))
        n_loud += loud
        yield np.clip(x, -1, 1) if loud else x
    if n_loud:
        audio.notes.append(f"clipped {n_loud} samples beyond full scale")


def resampled(blocks: Iterable[np.ndarray], from_hz: int, to_hz: int) -> Iterator[np.ndarray]:
    """Change the sample rate of blocks: joined, they are what `audio.reader.resample` makes of the whole signal.

    Examples
    --------
    >>> sum(len(block) for block in resampled([np.zeros(400, np.float32), np.zeros(41, np.float32)], 44100, 16000))
    160
    """
    if from_hz == to_hz:
        yield from blocks
        return
    import soxr

    stream, missing, n, x = None, 0, 0, np.zeros(0, np.float32)
    for x in blocks:
        if stream is None:
            channels = x.shape[1] if x.ndim == 2 else 1
            stream = soxr.ResampleStream(from_hz, to_hz, channels, dtype="float32", quality="HQ")
        n += len(x)
        y = stream.resample_chunk(np.ascontiguousarray(x, np.float32))
        missing -= len(y)
        yield y
    if stream is not None:
        y = stream.resample_chunk(x[:0], last=True)
        yield y
        missing += -(-n * to_hz // from_hz) - len(y)  # soxr rounds to the nearest length
        yield np.zeros((max(missing, 0), *x.shape[1:]), np.float32)
