"""Find the frames of an MPEG audio stream (MP3), and write a header with their true number.

Place in the chain: before libsndfile. Without a Xing header, libsndfile estimates the length of a stream from the bit
rate of its first frame. It also trusts wrong Xing headers, and stops at damage. Therefore this module checks every
frame, removes all other data, and gives the decoder the true number of frames.
"""

import re
import struct
from dataclasses import dataclass

_TAG_BYTES = 128  # of an ID3 tag of the first kind
_FOOTER_BYTES = 10  # of an ID3 tag of the second kind
MARKS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b".snd", b"caff", b"fLaC", b"OggS")  # of other recordings
_BOXES = (b"moov", b"free")  # of MP4, that follow its frames
_SEARCH_BYTES = 1 << 20  # the first frame must begin within this range, behind tags and zero bytes
_CHAIN = 3  # consecutive frames that identify a stream
_BITRATES_KBPS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),  # MPEG-1, layer I
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),  # MPEG-2 and 2.5
    (2, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_RATES = b"".join(b"%c-%c" % (index << 4, index << 4 | 11) for index in range(1, 15))
_HEAD = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff][%b]" % _RATES)  # of a frame, see `_frame_bytes`
_SAME = 0xFFFE0C00  # sync, version, layer and sample rate: constant within a stream, as is mono or stereo


@dataclass
class Mp3Stream:
    """Hold a repaired stream, which decoders can read.

    Attributes
    ----------
    pieces : list of bytes or (start, end)
        The stream: new bytes, and ranges of positions in the data.
    claimed_frames : int or None
        Number of frames that its header states.
    n_frames : int
        Number of frames found.
    samples_per_frame, sample_rate_hz : int
    skipped_bytes : int
        Bytes that were removed between frames.
    cut_off : bool
        Whether the last frame is incomplete.
    endless : bool
        Whether a decoder estimates the number of frames from the length of the file.
    end : int or None
        Position where another recording begins, if one follows.
    n_behind : int
        Bytes behind the last complete frame that are no part of a recording, see `foreign_bytes`.
    """

    pieces: list
    claimed_frames: int | None
    n_frames: int
    samples_per_frame: int
    sample_rate_hz: int
    skipped_bytes: int
    cut_off: bool
    endless: bool
    end: int | None
    n_behind: int


def after_id3(data, at: int = 0) -> int:
    """Return the position after the ID3 tags at a position; a tag that is longer than the data is ignored.

    A size has 7 bits per byte. Some programs write 8: if a recording begins only there, or if a byte has 8 bits.
    """
    while data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        size = bytes(data[at + 6 : at + 10])
        a, b, c, d = (byte & 127 for byte in size)
        sizes = [a << 21 | b << 14 | c << 7 | d, int.from_bytes(size, "big")]
        ends = [at + 10 + n + 10 * (data[at + 5] >> 4 & 1) for n in sizes]
        end = next((e for e in ends if _begins(data, e)), ends[max(size) > 127])
        if end > len(data):
            break
        at = end
    return at


def _begins(data, at: int) -> bool:
    """Return whether a recording or another ID3 tag begins exactly at a position."""
    mark = data[at : at + 4]
    return mark in MARKS or mark[:3] == b"ID3" or _next_frame(data, at, None, at + 1) is not None


def after_tags(data, at: int) -> int:
    """Return the position after ID3 tags of both kinds, footers of such tags, and zero bytes."""
    before = -1
    while at != before:
        before, at = at, after_id3(data, at)
        at += _TAG_BYTES if data[at : at + 3] == b"TAG" and at + _TAG_BYTES <= len(data) else 0
        at += _FOOTER_BYTES if data[at : at + 3] == b"3DI" and at + _FOOTER_BYTES <= len(data) else 0
        zeros = data[at : at + _SEARCH_BYTES]
        at += len(zeros) - len(zeros.lstrip(b"\0"))
    return at


def begins_mp3(data, at: int) -> bool:
    """Return whether a stream begins exactly at a position, or behind the ID3 tags there."""
    at = after_id3(data, at)
    return _next_frame(data, at, None, at + 1) is not None


def ends_with_tag(data) -> bool:
    """Return whether a file ends with an ID3 or APE tag."""
    return data[-128:-125] == b"TAG" or data[-32:-24] == b"APETAGEX"


def foreign_bytes(data, at: int, end: int) -> int:
    """Return the number of bytes from the end of a recording to `end`, unless they are tags, zeros or boxes of MP4."""
    at = after_tags(data, at)
    is_tag = data[at : at + 11].startswith((b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3"))
    is_box = any(name in data[at : at + 8] for name in _BOXES)  # behind its length, which begins with zeros
    is_known = is_tag or is_box or (end == len(data) and ends_with_tag(data))
    return 0 if is_known else max(end - at, 0)


def find_mp3(data, at: int = 0) -> Mp3Stream | None:
    """Find the frames of a stream that begins near a position; return None if there is none."""
    at = after_tags(data, at)
    first = _next_frame(data, at, None, min(len(data), at + _SEARCH_BYTES))
    if first is None:
        return None
    head = _word(data, first)
    runs, n_frames, skipped, cut_off = _runs(data, first, head)
    tail = after_tags(data, runs[-1][1])
    end = (
        tail if data[tail : tail + 4] in MARKS else _next_frame(data, tail, None, min(len(data), tail + _SEARCH_BYTES))
    )
    cut_off = cut_off and end != tail
    n_behind = foreign_bytes(data, tail, len(data) if end is None else end)
    version, layer, is_mono = head >> 19 & 3, head >> 17 & 3, head >> 6 & 3 == 3
    per_frame = 384 if layer == 3 else 1152 if layer == 2 or version == 3 else 576
    side_bytes = 4 + ((17 if is_mono else 32) if version == 3 else (9 if is_mono else 17))
    size = _frame_bytes(head)
    info = bytes(data[first : first + size])
    places = [(side_bytes, 8, (b"Xing", b"Info")), (36, 14, (b"VBRI",))]
    place = next((p + n for p, n, marks in places if info[p : p + 4] in marks), None)
    claimed = None
    if place is not None and place + 4 <= size:
        has_count = place == 50 or info[place - 1] & 1
        claimed = struct.unpack_from(">I", info, place)[0] if has_count else 0
        n_frames -= 1
        runs[0] = (first + size, runs[0][1])
        if claimed != n_frames:
            info = _xing(head, side_bytes, n_frames, info, place)
    else:
        info = b""
    rate_hz = _RATES_HZ[version][head >> 10 & 3]
    pieces = [info, *runs]
    return Mp3Stream(pieces, claimed, n_frames, per_frame, rate_hz, skipped, cut_off, claimed is None, end, n_behind)


def _word(data, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "big")


def _differ(head: int, other: int) -> bool:
    """Return whether two frames cannot belong to the same stream."""
    return bool((head ^ other) & _SAME) or (head >> 6 & 3 == 3) != (other >> 6 & 3 == 3)


def _frame_bytes(head: int) -> int:
    """Return the length in bytes of the frame with this header; 0 if it is not a valid header."""
    version, layer, index, rate = head >> 19 & 3, head >> 17 & 3, head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer == 0 or index in (0, 15) or rate == 3:
        return 0
    kbps = _BITRATES_KBPS[3 if version == 3 else 2, layer if version == 3 or layer == 3 else 1][index - 1]
    per_frame = 48 if layer == 3 else 72 if layer == 1 and version != 3 else 144
    size = per_frame * 1000 * kbps // _RATES_HZ[version][rate]
    return size // 4 * 4 + 4 * (head >> 9 & 1) if layer == 3 else size + (head >> 9 & 1)


def _next_frame(data, at: int, same: int | None, end: int) -> int | None:
    """Return the first position of several consecutive frames, or of the last frames of the data."""
    while found := _HEAD.search(data, at, end + 2):
        at = found.start()
        head = _word(data, at)
        if same is None or not _differ(head, same):
            place, n = at, 0
            while n < _CHAIN and (size := _frame_bytes(_word(data, place))) and not _differ(_word(data, place), head):
                place, n = place + size, n + 1
            if n == _CHAIN or (n and (place == len(data) or (n > 1 and place > len(data)))):
                return at
        at += 1
    return None


def _runs(data, at: int, same: int) -> tuple[list[tuple[int, int]], int, int, bool]:
    """Return ranges of consecutive frames, number of frames, bytes between ranges, whether the last frame is cut."""
    runs, start, n_frames, skipped, sizes, last_size = [], at, 0, 0, {}, 0
    while True:
        word = data[at : at + 4]
        size = sizes.get(word)
        if size is None:
            head = int.from_bytes(word, "big")
            sizes[word] = size = 0 if len(word) < 4 or _differ(head, same) else _frame_bytes(head)
        if size and at + size <= len(data) and not (n_frames and _is_info(data, at)):
            at, n_frames, last_size = at + size, n_frames + 1, size
            continue
        if n_frames > 1 and (tag := _tag_inside(data, at - last_size, at, same)):
            place, n_lost, start_behind, at = tag
            runs.append((start, place - n_lost))
            start, n_frames, skipped, last_size = start_behind, n_frames - (n_lost > 0), skipped + n_lost, 0
            continue
        runs.append((start, at))
        if size and at + size > len(data):
            return runs, n_frames, skipped, True
        start = _next_frame(data, at + size if size else at, same, len(data))
        tail = after_tags(data, at)
        if start is None:
            return runs, n_frames, skipped, len(word) < 4 and word[:1] == b"\xff"
        skipped += 0 if size else max(start - tail, 0)
        at = start


def _tag_inside(data, frame: int, end: int, same: int) -> tuple[int, int, int, int] | None:
    """Find an ID3 tag inside a frame, which goes on behind it or is cut off; libmpg123 complains of such frames.

    Return the position of the tag, the bytes of the frame before it that are of no use, the position behind the tag,
    and that of the next whole frame; None if there is no tag.
    """
    place = data.find(b"ID3", frame, end)
    behind = after_id3(data, place) if place >= 0 else place
    for n_lost, whole in ((0, behind + end - place), (place - frame, behind)):
        if behind > place and _next_frame(data, whole, same, whole + 1) is not None:
            return place, n_lost, behind, whole
    return None


def _is_info(data, at: int) -> bool:
    """Return whether a frame is the Xing or VBRI header of a concatenated file."""
    return any(mark in (b"Xing", b"Info", b"VBRI") for mark in (data[at + p : at + p + 4] for p in (13, 21, 36)))


def _xing(head: int, side_bytes: int, n_frames: int, info: bytes, place: int) -> bytes:
    """Return a frame with a Xing header: the number of frames, and the encoder delay if the old header has it."""
    index = next(i for i in range(1, 15) if _frame_bytes(head & ~0xF200 | i << 12) >= side_bytes + 120 + 36)
    head = head & ~0xF200 | 0x10000 | index << 12  # no padding, no checksum
    delay = bytes(3)
    if place != 50:  # a VBRI header has no delay
        flags = info[place - 1]
        at = place + sum(n for bit, n in ((1, 4), (2, 4), (4, 100), (8, 4)) if flags & bit)
        if info[at : at + 4] in (b"LAME", b"Lavc", b"Lavf") and at + 22 < len(info):
            delay = bytes([info[at + 21], info[at + 22] & 0xF0, 0])  # no padding, because the original end is unknown
    lame = b"LAME3.100" + bytes(12) + delay + bytes(12)
    content = b"Xing" + struct.pack(">II", 1, n_frames) + (lame if any(delay) else b"")
    return (head.to_bytes(4, "big") + bytes(side_bytes - 4) + content).ljust(_frame_bytes(head), b"\0")
