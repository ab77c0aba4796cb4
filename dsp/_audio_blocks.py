"""The samples of an audio file in blocks: of recordings that are all there, or of one that is still arriving.

Place in the chain: called by `audio_file`. Delay: none.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import BinaryIO

import numpy as np

from dsp._audio_headers import Samples, may_be_samples
from dsp._audio_mapping import release
from dsp._audio_recordings import Recording, length_notes, recordings
from dsp._audio_samples import WIDTHS, to_float
from dsp._audio_source import CHUNK_BYTES, HEAD_BYTES, read_chunk
from dsp.signals import CLIPPED_UP_TO, MAX_CHANNELS, too_loud

_MARK_BYTES = 128  # of what follows the samples, which tell what it is
_CANCELLED_DB = 20.0  # level of the mono mix below that of the channels from which on a note is added


@dataclass(frozen=True)
class AudioBlocks:
    """Hold an audio file that is being read: what `AudioFile` has, with the samples in blocks.

    Attributes
    ----------
    blocks : iterator of float32 arrays (n,) or (n, 2)
        To be read once. Raises a ValueError where the file has no samples, or samples that are not finite or too loud.
    sample_rate_hz : int
    n_channels : int
        Channels of the file.
    notes : list of str
        Complete when the blocks have been read.
    expected_samples : int or None
        About how many samples per channel there are, if that is known before.
    """

    blocks: Iterator[np.ndarray]
    sample_rate_hz: int
    n_channels: int
    notes: list[str]
    expected_samples: int | None = None


def downmix(x: np.ndarray, channels: int) -> np.ndarray:
    """Return x (n, c) as float32: both channels if c and `channels` are 2, otherwise the mean of the channels (n,)."""
    return x.astype(np.float32) if x.shape[1] == channels == 2 else x.mean(axis=1, dtype=np.float64).astype(np.float32)


class Mixer:
    """Mix blocks to the requested channels, and measure the power before and after."""

    def __init__(self, channels: int):
        self.channels, self.is_mixed = channels, False
        self.power, self.mixed_power = 0.0, 0.0

    def mixed(self, block: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # samples that are not finite are refused afterwards
            x = downmix(block, self.channels)
            self.is_mixed = x.ndim == 1 and block.shape[1] > 1
            if self.is_mixed:
                self.power += float(np.square(block, dtype=np.float64).sum()) / block.shape[1]
                self.mixed_power += float(np.square(x, dtype=np.float64).sum())
        return x

    def notes(self, n_channels: int) -> list[str]:
        if not self.is_mixed:
            return []
        notes = [f"mixed {n_channels} channels to mono"]
        if self.power > 0 and self.mixed_power * 10 ** (_CANCELLED_DB / 10) < self.power:
            loss_db = 10 * np.log10(self.power / max(self.mixed_power, 1e-12 * self.power))
            notes.append(f"the channels cancel: the mono mix is {loss_db:.0f} dB below them")
        return notes


def open_recordings(data, name: str, channels: int) -> AudioBlocks:
    """Find the recordings in the bytes of a file."""
    found = recordings(data)
    try:
        first = next(found, None)
    except ValueError as error:
        raise ValueError(f"{name} is not an audio file that can be read: {error}") from None
    if first is None:
        raise ValueError(f"{name} holds no samples")
    notes: list[str] = []
    blocks = joined(data, chain([first], found), name, notes)
    audio = checked_blocks(blocks, name, first.sample_rate_hz, first.channels, channels, notes)
    return replace(audio, expected_samples=first.expected_samples)


def joined(data, found: Iterable[Recording], name: str, notes: list[str]) -> Iterator[np.ndarray]:
    """Yield the blocks (n, channels) of recordings that follow each other."""
    layout, n_samples, n_recordings = None, 0, 0
    try:
        for recording in found:
            before = n_samples
            layout = layout or (recording.sample_rate_hz, recording.channels)
            if layout != (recording.sample_rate_hz, recording.channels):
                raise ValueError(f"they have {recording.channels} channels at {recording.sample_rate_hz} Hz")
            for block in recording.blocks:
                n_samples += len(block)
                yield block
                release(data)
            notes += recording.notes(n_samples - before)
            n_recordings += n_samples > before
    except ValueError as error:
        if not n_samples or layout is None:
            raise ValueError(f"{name} is not an audio file that can be read: {error}") from None
        notes.append(f"ignored the data after {n_samples / layout[0]:.3f} s: {error}")
    if n_recordings > 1:
        notes.append(f"joined {n_recordings} recordings that follow each other in the file")


def arriving(found: Samples, begin: bytes, file: BinaryIO, notes: list[str]) -> Iterator[np.ndarray]:
    """Yield the blocks (n, channels) of a recording whose end has not arrived, each as soon as it has."""
    width, claimed = WIDTHS[found.encoding] * found.channels, found.claimed_bytes
    limit = claimed if claimed and not found.has_placeholder_length else None
    rest, n_bytes = begin, 0
    while True:
        whole = len(rest) // width * width
        whole = whole if limit is None else min(whole, (limit - n_bytes) // width * width)
        n_bytes += whole
        if whole:
            yield to_float(rest[:whole], found.encoding).reshape(-1, found.channels)
        rest = rest[whole:]
        if limit is not None and n_bytes + width > limit:
            notes += notes_behind(rest, limit - n_bytes + limit % 2, file)
            return
        chunk = read_chunk(file, HEAD_BYTES)
        if not chunk:
            notes += length_notes(limit and limit // width, n_bytes // width, found.sample_rate_hz)
            if rest:
                notes.append(f"the last sample is not whole: {len(rest)} of {width} bytes; it is left out")
            return
        rest += chunk


def notes_behind(rest: bytes, n_skipped: int, file: BinaryIO) -> list[str]:
    """Read a file to its end, so that its writer meets no closed pipe; return notes on samples that are left out.

    `rest` is what was read behind the samples; its first `n_skipped` bytes are a part of a sample, and padding.
    """
    n_left = len(rest) - n_skipped
    while chunk := read_chunk(file, CHUNK_BYTES):
        n_left += len(chunk)
        rest = rest if len(rest) > _MARK_BYTES else rest + chunk
    return [f"left out: {n_left} bytes behind the samples"] if may_be_samples(rest[n_skipped:], n_left) else []


def checked_blocks(
    blocks: Iterator[np.ndarray], name: str, rate_hz: int, n_channels: int, channels: int, notes: list[str]
) -> AudioBlocks:
    """Mix the channels of blocks, and refuse a recording without samples, or with NaN, infinite or too loud ones.

    Raises
    ------
    ValueError
        If there are more channels than signals may have.
    """
    if n_channels > MAX_CHANNELS:
        raise ValueError(f"{name} has {n_channels} channels, at most {MAX_CHANNELS} are allowed")

    def checked() -> Iterator[np.ndarray]:
        mixer, n_samples = Mixer(channels), 0
        for block in blocks:
            x = mixer.mixed(block)
            finite = np.isfinite(x) if x.ndim == 1 else np.isfinite(x).all(axis=1)
            if not finite.all():
                at_s = (n_samples + int(finite.argmin())) / rate_hz
                raise ValueError(f"{name} holds NaN or infinite samples, the first at {at_s:.3f} s")
            peak = max(float(block.max(initial=0)), -float(block.min(initial=0)))
            if peak > CLIPPED_UP_TO:
                raise ValueError(too_loud(name, peak))
            n_samples += len(x)
            yield x
        if not n_samples:
            raise ValueError(": ".join([f"{name} holds no samples", *notes[:1]]))
        notes.extend(mixer.notes(n_channels))

    return AudioBlocks(checked(), rate_hz, n_channels, notes)
