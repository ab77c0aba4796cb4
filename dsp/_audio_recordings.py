"""Find the recordings in the bytes of an audio file, which may be several concatenated files, and decode them.

Place in the chain: called by `audio_file`, which opens files and mixes channels. Delay: none.
"""

import re
import struct
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np

from dsp._audio_headers import Samples, find_samples
from dsp._audio_lengths import stated_bytes, whole_sds_samples
from dsp._audio_libsndfile import Decoder, Pieces
from dsp._audio_mp3 import MARKS, Mp3Stream, after_id3, after_tags, begins_mp3, ends_with_tag, find_mp3, foreign_bytes
from dsp._audio_packets import Part, flac_ends, flac_from, flac_parts, ogg_parts, ogg_runs
from dsp._audio_samples import BLOCK_SAMPLES, sample_blocks
from dsp._audio_voc import VocSamples, find_voc, is_voc

_UNRECOGNISED = "Format not recognised"
_SEARCH_BYTES = 1 << 16  # the first page of an Ogg file must begin within this range
_OPUS_HZ = 48000  # unit of the time stamps of Opus in Ogg, at all sample rates
_SPHERE_COUNT = re.compile(rb"NIST_1A\n(?s:.{0,1000}?)\nsample_count -i (\d{1,15})\n")  # samples per channel
_MAX_FLAC_BLOCK = 65535  # samples per channel of a frame
_MAX_SILENCE = 64  # samples per byte of the file, as in Opus at 6 kbps


@dataclass
class Recording:
    """Describe one recording and how to decode it.

    Attributes
    ----------
    sample_rate_hz, channels : int
    blocks : iterator of float32 arrays (n, channels)
    notes : function
        Returns the problems of the recording as a list of sentences; its argument is the number of decoded samples.
    expected_samples : int or None
        Samples per channel according to the header, if it states them.
    """

    sample_rate_hz: int
    channels: int
    blocks: Iterator[np.ndarray]
    notes: Callable[[int], list[str]]
    expected_samples: int | None = None


def recordings(data) -> Iterator[Recording]:
    """Yield the recordings in the data of a file (bytes or mmap) in their order.

    Raises
    ------
    ValueError
        If there are no data or they cannot be decoded; the message gives the reason.
    """
    if not len(data):
        raise ValueError("there are no data")
    at = after_id3(data)
    while True:
        found = find_samples(data, at)
        stream = find_mp3(data, at) if found is None and _may_be_mp3(data, at) else None
        if found is not None:
            yield _samples(data, at, found)
            at = found.next_file
        elif stream is not None:
            yield _mp3(data, stream)
            at = len(data) if stream.end is None else stream.end
        elif data[at : at + 4] == b"fLaC":
            at = yield from _flac_recordings(data, at)
        else:
            break
        if at == len(data):
            return
    if data.find(b"OggS", at, at + _SEARCH_BYTES) >= 0:
        for part in ogg_parts(data, at):
            if part.flac:  # libsndfile cannot decode all of these
                stream = b"".join(data[start:end] for start, end in part.flac)
                yield from (_flac(stream, flac, part.damaged, part.cut_off) for flac in flac_parts(stream, 0))
            else:
                yield _ogg(data, part)
    elif is_voc(data, at):
        yield from (_voc(data, part) for part in find_voc(data, at))
    else:
        yield _other(data, at)


def _flac_recordings(data, at: int) -> Generator[Recording, None, int]:
    """Yield FLAC streams that follow each other; return where a recording in another format follows, or the end."""
    for part in flac_parts(data, at):
        yield _flac(data, part)
        following = _following(data, part)
        if following is not None:
            return following
    return len(data)


def _following(data, part: Part) -> int | None:
    """Return the position of a recording in another format behind the last frame of a FLAC stream."""
    at = after_tags(data, len(data) if part.end is None else part.end)
    return at if at < part.pieces[1][1] and (data[at : at + 4] in MARKS or begins_mp3(data, at)) else None


def _may_be_mp3(data, at: int) -> bool:
    return data[at] == 0xFF or (at > 0 and data[at : at + 4] != b"fLaC")


def may_be_audio(head: bytes) -> bool:
    """Return whether a file that begins with these bytes can be an audio file."""
    if head.startswith(b"ID3"):  # a tag with a picture can be longer
        return True
    try:
        next(recordings(head))
    except ValueError as error:
        return _UNRECOGNISED not in str(error) and "soundfile" not in str(error)
    return True


def length_notes(
    claimed: int | None,
    n_samples: int,
    rate_hz: int,
    damaged: bool = False,
    cut_off: bool = False,
    last_damaged: bool = False,
    n_silent: int = 0,
) -> list[str]:
    """Return notes about a wrong number of samples per channel in the header, about damage, and about a missing end.

    `last_damaged` says that the last frame is there and cannot be decoded; `n_silent` is the number of samples of
    silence that replace damaged samples.
    """
    wrong = ""
    if claimed is not None and claimed != n_samples:
        cut_off = cut_off or (n_samples < claimed and not damaged)
        wrong = f"the header states {claimed / rate_hz:.3f} s, the data contain {n_samples / rate_hz:.3f} s"
    silence = f", {n_silent / rate_hz:.3f} s of silence replace it" if n_silent else ""
    parts = [f"a part of the recording is damaged{silence}"] * damaged + ["the recording is cut off"] * cut_off
    parts = [*parts[:damaged], "the last frame is damaged or cut off"] if last_damaged else parts
    note = "; ".join([*parts, wrong] if wrong else parts)
    return [note] if note else []


def _behind_notes(n_bytes: int, what: str) -> list[str]:
    """Return a note on bytes behind the last frame or page."""
    return [f"left out: {n_bytes} bytes behind the last {what}"] if n_bytes else []


def _samples(data, at: int, found: Samples) -> Recording:
    """Decode a WAV, RF64, Wave64, AIFF, AU or CAF file; compressed samples are decoded by libsndfile."""
    rate_hz, channels, frame_bytes = found.sample_rate_hz, found.channels, found.frame_bytes
    if found.encoding:
        blocks, limit = sample_blocks(data, found.start, found.n_bytes, found.encoding, channels), None
    else:
        decoder = _compressed(data, at, found)
        limit = found.n_bytes // found.block_bytes * found.block_samples or None
        blocks = _at_most(limit, decoder.blocks())  # libsndfile pads an incomplete last block
        rate_hz, channels = decoder.sample_rate_hz, decoder.channels

    def notes(n: int) -> list[str]:
        left_out = [f"left out: {found.left_out}"] if found.left_out else []
        claimed, seconds = found.claimed_bytes, n / rate_hz
        if claimed is None or claimed == found.n_bytes:
            return left_out
        if found.length_is_unknown:
            return [f"the header gives no length: read to the end, {seconds:.3f} s"]
        if frame_bytes:
            return length_notes(claimed // frame_bytes, n, rate_hz)
        cut = "the recording is cut off; " if found.n_bytes < claimed else ""
        return [f"{cut}the header states {claimed} bytes, the data contain {found.n_bytes} bytes, {seconds:.3f} s"]

    return Recording(rate_hz, channels, blocks, notes, found.n_bytes // frame_bytes if frame_bytes else limit)


def _compressed(data, at: int, found: Samples) -> Decoder:
    """Return the decoder of compressed samples; MPEG audio, of which libsndfile reads only layer III, is taken out."""
    try:
        return _decoder(Pieces(data, _repaired(data, at, found)))
    except ValueError:
        if not begins_mp3(data, found.start):
            raise
        frames = data[found.start : found.start + found.n_bytes]
        stream = find_mp3(frames)
        if stream is None:
            raise
        return _decoder(Pieces(frames, stream.pieces, stream.endless))


def _at_most(limit: int | None, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    n = 0
    for block in blocks:
        yield block if limit is None else block[: max(limit - n, 0)]
        n += len(block)


def _repaired(data, at: int, found: Samples) -> list:
    """Return the pieces of a file with true lengths in its header and only complete blocks of compressed samples."""
    n_bytes = found.n_bytes // found.block_bytes * found.block_bytes
    end = found.start + n_bytes
    if not found.size_at or end - at > 0xFFFFFFFF:
        return [(at, end)]
    riff, size = struct.pack("<I", end - at - 8), struct.pack("<I", n_bytes)
    return [(at, at + 4), riff, (at + 8, found.size_at), size, (found.size_at + 4, end)]


def _flac(data, part: Part, damaged: bool = False, cut_off: bool = False) -> Recording:
    """Decode one FLAC stream; after damage, decoding continues at the next valid frame, and silence fills the gap.

    `damaged` and `cut_off` say what is known of the pages that held it.
    """
    first = _decoder(Pieces(data, part.pieces))
    state = {"damaged": damaged, "cut_off": cut_off, "last_damaged": False, "n_silent": 0}

    def blocks() -> Iterator[np.ndarray]:
        decoder, n, begin, at, until = first, 0, 0, 0, 0
        while True:
            alone = begin < until  # the decoder has one frame
            for block in decoder.blocks():
                begin, block = begin + len(block), block[max(n - begin, 0) :]
                if len(block) and (alone or not decoder.failed):
                    gap = begin - len(block) - n
                    state["damaged"] |= gap > 0 or (decoder is not first and not alone)
                    lost = _affordable(gap, state["n_silent"], data)
                    state["n_silent"] += lost
                    yield from _silence(lost, first.channels)
                    yield block
                    n = begin
            if not decoder.failed and not alone:
                return
            if not alone:  # libsndfile skips frames in a block in which it fails: they are decoded one by one
                until = n + max(1, BLOCK_SAMPLES // first.channels)
            rest = flac_from(data, part, begin if alone else max(n - _MAX_FLAC_BLOCK, 0), at)
            if rest is None:
                complete = _ends_whole(data, part, n)
                state["damaged"] |= complete and part.end is None
                last = (part.claimed_samples or 0) - int.from_bytes(part.pieces[0][10:12], "big")
                state["last_damaged"] = not complete and decoder.failed and begin >= n >= last
                state["cut_off"] |= not complete
                return
            pieces, begin = rest
            start, end = pieces[1]
            at = start + 1
            if begin < until and (following := flac_from(data, part, begin + 1, at)):
                end = following[0][1][0]
            decoder = _decoder(Pieces(data, [pieces[0], (start, end)]))

    def notes(n: int) -> list[str]:
        return _flac_notes(data, part, n, first.sample_rate_hz, state)

    return Recording(first.sample_rate_hz, first.channels, blocks(), notes, part.claimed_samples)


def _flac_notes(data, part: Part, n: int, rate_hz: int, state: dict) -> list[str]:
    """Return notes on a FLAC stream of n decoded samples; `state` holds the other arguments of `length_notes`."""
    n_behind = 0
    if part.end is not None and _following(data, part) is None:
        n_behind = foreign_bytes(data, part.end, part.pieces[1][1])
    cut_off = state["cut_off"] and n != part.claimed_samples
    return length_notes(part.claimed_samples, n, rate_hz, **state | {"cut_off": cut_off}) + _behind_notes(
        n_behind, "frame"
    )


def _ends_whole(data, part: Part, n_samples: int) -> bool:
    """Return whether no sample is missing at the end of a FLAC stream; set the position of its end if that is found."""
    if part.claimed_samples not in (None, n_samples):
        return False
    for pieces, first_sample in flac_ends(data, part, n_samples):
        try:
            decoder = _decoder(Pieces(data, pieces))
        except ValueError:
            continue
        if sum(map(len, decoder.blocks())) == n_samples - first_sample and not decoder.failed:
            _, part.end = pieces[1]
            break
    is_cut = part.end is None or data[part.end : part.end + 2] in (b"\xff\xf8", b"\xff\xf9")
    return part.claimed_samples is not None or not is_cut


def _affordable(lost: int, n_silent: int, data) -> int:
    """Return the number of lost samples, or 0 if it is too large for a file of this size: a time stamp is wrong."""
    return lost if n_silent + lost <= _MAX_SILENCE * len(data) else 0


def _silence(n: int, channels: int) -> Iterator[np.ndarray]:
    for at in range(0, n, BLOCK_SAMPLES):
        yield np.zeros((min(BLOCK_SAMPLES, n - at), channels), np.float32)


def _ogg(data, part: Part) -> Recording:
    """Decode one recording of an Ogg file; silence replaces damaged pages."""
    decoder = _decoder(Pieces(data, part.pieces))
    runs = ogg_runs(data, part)
    state = {"damaged": part.damaged or [run.is_first for run in runs] not in ([], [True]), "n_silent": 0}

    def blocks() -> Iterator[np.ndarray]:
        if not runs or not state["damaged"]:
            yield from decoder.blocks()
            return
        n = origin = 0
        for run in runs:
            try:
                n_run = sum(len(block) for block in _decoder(Pieces(data, run.pieces)).blocks())
            except ValueError:  # libsndfile cannot decode this part
                continue
            end = run.end * decoder.sample_rate_hz // _OPUS_HZ if run.is_opus else run.end
            origin = end - n_run if run.is_first else origin
            lost = _affordable(max(end - origin - n_run - n, 0), state["n_silent"], data)
            state["n_silent"] += lost
            yield from _silence(lost, decoder.channels)
            yield from _decoder(Pieces(data, run.pieces)).blocks()
            n += lost + n_run

    def notes(n: int) -> list[str]:
        claimed = decoder.claimed_samples
        is_short = claimed is not None and n < claimed and not part.cut_off
        damaged = state["damaged"] or decoder.failed or is_short
        found = length_notes(claimed, n, decoder.sample_rate_hz, damaged, part.cut_off, n_silent=state["n_silent"])
        foreign = part.n_behind > 0 and not part.cut_off and not ends_with_tag(data)
        return found + _behind_notes(part.n_behind * foreign, "page")

    return Recording(decoder.sample_rate_hz, decoder.channels, blocks(), notes, decoder.claimed_samples)


def _mp3(data, stream: Mp3Stream) -> Recording:
    """Decode the MP3 stream that `find_mp3` returned."""
    try:
        decoder = _decoder(Pieces(data, stream.pieces, stream.endless))
    except ValueError as error:
        raise ValueError(f"its MP3 frames, {stream.n_frames} in all, cannot be decoded: {error}") from None

    def notes(n: int) -> list[str]:
        claimed = stream.claimed_frames
        claimed = claimed * stream.samples_per_frame if claimed and claimed != stream.n_frames else None
        complete = stream.claimed_frames == stream.n_frames
        damaged, cut_off = stream.skipped_bytes > 0 or decoder.failed, stream.cut_off and not complete
        n_behind = 0 if cut_off else stream.n_behind
        return length_notes(claimed, n, stream.sample_rate_hz, damaged, cut_off) + _behind_notes(n_behind, "frame")

    return Recording(decoder.sample_rate_hz, decoder.channels, decoder.blocks(), notes, decoder.claimed_samples)


def _voc(data, part: VocSamples) -> Recording:
    n_samples = part.n_samples
    notes = length_notes(None, n_samples, part.sample_rate_hz, cut_off=part.cut_off)
    return Recording(part.sample_rate_hz, part.channels, part.blocks(data), lambda n: notes, n_samples)


def _other(data, at: int) -> Recording:
    """Decode other formats that libsndfile can read, or an MP3 stream that begins within a frame."""
    try:
        decoder = _decoder(Pieces(data, [(at, len(data))]))
    except ValueError:
        stream = None if _may_be_mp3(data, at) else find_mp3(data, at)  # which was tried before
        if stream is None and data[at] == 0xFF:  # libsndfile's reason is another one
            raise ValueError("it contains no complete frame of MP3") from None
        if stream is None:
            raise
        return _mp3(data, stream)
    stated = _SPHERE_COUNT.match(data, at)  # libsndfile counts the samples that there are
    claimed = int(stated[1]) if stated else decoder.claimed_samples
    n_bytes, there = stated_bytes(decoder.kind, data, at), len(data) - at
    blocks = _at_most(whole_sds_samples(data, at) if decoder.kind == "SDS" else None, decoder.blocks())

    def notes(n: int) -> list[str]:
        if n_bytes is not None and there < n_bytes:
            return [f"the recording is cut off; the header states {n_bytes} bytes, the file has {there} bytes"]
        return length_notes(claimed, n, decoder.sample_rate_hz, decoder.failed)

    return Recording(decoder.sample_rate_hz, decoder.channels, blocks, notes, decoder.claimed_samples)


def _decoder(file: Pieces) -> Decoder:
    try:
        return Decoder(file)
    except (ImportError, OSError):  # OSError: soundfile is installed, but libsndfile is not
        raise ValueError("this format needs the package soundfile") from None
