"""Decode a `.cq` file of any length, in constant memory: samples come in blocks, segment by segment.

Place in the chain: below `codec`. Compiled code is made for chunks of 50 packets, never for a file's length.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from lpcnet_cq.audio.blocks import resampled
from lpcnet_cq.audio.level import restore
from lpcnet_cq.bitstream.container import Header
from lpcnet_cq.bitstream.packet import Integers, in_runs
from lpcnet_cq.bitstream.segment_reader import ReadSegment, read_each
from lpcnet_cq.checkpoint.weights import installed
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.files.encoder import CHUNK
from lpcnet_cq.parts import CodecParts


@dataclass(frozen=True)
class Decoding:
    """Hold a stream that is being decoded.

    Attributes
    ----------
    header : Header
    blocks : iterator of float32 arrays (n,) or (n, 2)
        Samples in -1..1 at the rate of the original, to be read once. Raises BitstreamError where the stream is
        damaged.
    n_samples : int or None
        Of all blocks together; None of a live stream, whose end is not known.
    notes : list of str
        What the user should know; complete when the blocks have been read.
    """

    header: Header
    blocks: Iterator[np.ndarray]
    n_samples: int | None
    notes: list[str] = field(default_factory=list)


def decode_file(parts: CodecParts, header: Header, file: BinaryIO) -> Decoding:
    """Return the decoding of a file that is open behind its header.

    Raises
    ------
    BitstreamError
        If the stream was made with other weights.
    """
    check_header(parts, header)
    from_hz, to_hz = parts.config.spec.sample_rate_hz, header.sample_rate_hz
    n_samples = header.coding.n_samples if header.coding else -(-header.n_samples * to_hz // from_hz)
    runs = ((n, segment.level) for segment in read_checked(parts, header, file) for n in segment.parts)
    blocks = decode_runs(parts, runs, to_hz, lambda: header.channels, lambda: (header.n_samples, n_samples))
    return Decoding(header, blocks, n_samples)


def decode_runs(
    parts: CodecParts,
    runs: Iterable[tuple[Integers, int]],
    sample_rate_hz: int,
    channels: Callable[[], int],
    lengths: Callable[[], tuple[int, int]],
) -> Iterator[np.ndarray]:
    """Yield the samples of packets, float32 (n,) or (n, 2), at the rate of the original.

    Parameters
    ----------
    parts : CodecParts
    runs : iterable of pairs of Integers and int
        Packets and their level.
    sample_rate_hz : int
        Of the original.
    channels : callable
        Returns the channels of the original; called for every run.
    lengths : callable
        Returns the samples of the signal at the codec's rate and at its own; called for every block, so that they may
        grow while the original is read.
    """
    levels: deque[int] = deque()  # of packets that were read and are not yet heard

    def integers() -> Iterator[Integers]:
        for n, level in runs:
            levels.extend([level] * len(n.step))
            yield n

    heard = _restored(parts, synthesise(parts, integers()), levels)
    coded = _cut_out(heard, parts.config.decoder_delay, lambda: lengths()[0])
    mixed = (as_channels(y, channels()) for y in coded)
    blocks = as_original(resampled(mixed, parts.config.spec.sample_rate_hz, sample_rate_hz))
    return _cut_out(blocks, 0, lambda: lengths()[1])  # resampling twice may have added samples


def read_checked(parts: CodecParts, header: Header, file: BinaryIO) -> Iterator[ReadSegment]:
    """Yield what the segments of a file hold, and refuse other numbers of packets than the header promises."""
    need = parts.config.spec.n_frames(header.n_samples + parts.config.decoder_delay) if header.n_samples else 0
    count = 0
    for segment in read_each(parts.reader, file, CHUNK, parts.record.max_layers - 1):
        count += len(segment.ends)
        if segment.level and not parts.config.normalised:
            raise BitstreamError(f"a segment has the level {segment.level}, `{parts.name}` has none")
        yield segment
    if count != need:
        raise BitstreamError(f"the stream has {count} packets, its {header.n_samples} samples need {need}")


def synthesise(parts: CodecParts, runs: Iterable[Integers]) -> Iterator[np.ndarray]:
    """Yield the samples of packets, (n,) or (n, channels), delayed by `decoder_delay` samples."""
    signal, state = parts.signal, parts.signal.start_decoder()
    if parts.config.begins_concealed:
        state, _ = signal.conceal(state, None, 1)
    for run in in_runs(parts.entropy, runs, CHUNK):
        state, y = signal.synthesise(state, run.filled(CHUNK))
        yield y[: len(run.step) * parts.config.spec.hop]


def _restored(parts: CodecParts, blocks: Iterable[np.ndarray], levels: deque[int]) -> Iterator[np.ndarray]:
    """Yield blocks of whole packets at the level of the original; take the levels of their packets."""
    hop, delay, before = parts.config.spec.hop, parts.config.decoder_delay, None
    for y in blocks:
        here = [levels.popleft() for _ in range(len(y) // hop)]
        here = [here[0] if before is None else before, *here]
        before = here[-1]
        yield restore(y, here, hop, delay)


def as_channels(y: np.ndarray, channels: int) -> np.ndarray:
    """Return samples within full scale, with the mean of two channels where one is wanted."""
    return np.clip(y.mean(axis=1) if channels < y.ndim else y, -1, 1)


def as_original(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Yield blocks as float32 within full scale, which resampling may have exceeded."""
    for y in blocks:
        yield np.clip(y, -1, 1).astype(np.float32)


def _cut_out(blocks: Iterable[np.ndarray], skip: int, n_samples: Callable[[], int]) -> Iterator[np.ndarray]:
    """Yield `n_samples` samples of blocks behind the first `skip`; read all blocks, as their source checks itself."""
    n_done = 0
    for y in blocks:
        y, skip = y[skip:], max(skip - len(y), 0)
        y = y[: n_samples() - n_done]
        n_done += len(y)
        if len(y):
            yield y


def check_header(parts: CodecParts, header: Header) -> None:
    """Raise `BitstreamError` if the header names or contradicts other weights."""
    if header.model_hash != parts.sha256[:16]:
        raise BitstreamError(
            f"the stream was made with the weights {header.model_hash}, not with `{parts.name}`, which are "
            f"{parts.sha256[:16]}; installed are: {', '.join(installed())}"
        )
    config, says, name = parts.config, header.coding, parts.name
    if header.channels > config.channels:
        raise BitstreamError(f"the header has {header.channels} channels, `{name}` codes {config.channels}")
    ours = parts.coding_name, config.spec.sample_rate_hz, config.spec.hop
    if says and (theirs := (says.codec, says.sample_rate_hz, says.hop)) != ours:
        raise BitstreamError(f"the header has codec, sample rate and hop {theirs}, `{name}` has {ours}")
    if header.live and header.live.enhancements >= parts.record.max_layers:
        most, layers = parts.record.max_layers, header.live.enhancements + 1
        raise BitstreamError(f"the header has {layers} layers, `{name}` has at most {most}")
