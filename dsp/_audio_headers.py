"""Find the samples in WAV, RF64, Wave64, AIFF, AU and CAF files, even if their headers give wrong lengths.

Place in the chain: first. Lengths in headers can be wrong: a recorder that crashes leaves 0, a program that writes to a
pipe leaves 2^31 - 1 or 2^32 - 1, and an incomplete download has fewer bytes than its header states. Samples end at the
end of the data or at the start of another chunk.
"""

import re
import struct
from dataclasses import dataclass

from dsp._audio_chunks import (
    CAF,
    RIFF,
    RIFX,
    SAMPLE_CHUNKS,
    TAGS,
    W64,
    Layout,
    are_chunks,
    are_foreign,
    begins_chunk,
    chunks,
    is_name,
)
from dsp._audio_mapping import first_match
from dsp._audio_mp3 import begins_mp3
from dsp._audio_samples import WIDTHS

_W64_RIFF = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
_NEXT_FILE = re.compile(
    rb"(RIFF|RIFX|RF64|BW64)....WAVE|FORM....AIF[FC]|\.snd\0\0\0[\x18-\xff]|caff\0\x01\0\0desc|"
    rb"fLaC[\x00\x80]\0\0\x22|OggS\0\x02\0{8}|" + re.escape(_W64_RIFF),
    re.DOTALL,
)
_MAX_TRAILING_BYTES = 4096  # larger data after the end are samples of a recorder that did not update its header
_WITHOUT_BLOCKS = (0x40, 0x50, 0x55)  # codes of compressed formats whose samples end anywhere: G.721, MPEG audio
_UNKNOWN_BYTES = 0x7FFF0000  # a length from here to 2^32 - 1 means that it is unknown
_AIFF_ENCODINGS = {
    b"twos": ">i2", b"sowt": "<i2", b"raw ": "u1", b"fl32": ">f4", b"FL32": ">f4", b"fl64": ">f8", b"FL64": ">f8",
    b"in24": ">i3", b"in32": ">i4", b"alaw": "alaw", b"ALAW": "alaw", b"ulaw": "ulaw", b"ULAW": "ulaw",
}  # fmt: skip
_FORMAT_BEHIND = {  # chunks of a plausible format: length, channels, 1000 Hz or more; behind samples of wrong length
    b"COMM": re.compile(rb"COMM\0\0[\0\1].\0[\1-\xff].{4}\0[\1-\x40]\x40[\x08-\x12][\x80-\xff]", re.DOTALL),
    b"fmt ": re.compile(rb"fmt [\x10-\xff]\0\0\0.\0[\1-\xff]\0(.[\4-\xff]\0|..[\1-\x0b])\0", re.DOTALL),
}
_AU_ENCODINGS = {1: "ulaw", 2: "i1", 3: ">i2", 4: ">i3", 5: ">i4", 6: ">f4", 7: ">f8", 27: "alaw"}


def begins_recording(data: bytes) -> bool:
    """Say whether data begin with the header of a WAV, RF64, Wave64, AIFF, AU, CAF, FLAC or Ogg file.

    Examples
    --------
    >>> begins_recording(b"RIFF1234WAVEfmt "), begins_recording(b"RIFFs are played")
    (True, False)
    """
    return _NEXT_FILE.match(data) is not None


def may_be_samples(data: bytes, n_bytes: int) -> bool:
    """Return whether `n_bytes` bytes that begin so may be a recording, more samples, or other bytes than chunks."""
    if begins_recording(data) or data.startswith(SAMPLE_CHUNKS):
        return True
    return n_bytes > _MAX_TRAILING_BYTES and not (is_name(data[:4]) or data.startswith(TAGS))


@dataclass
class Samples:
    """Hold the position and the encoding of the samples of one recording.

    Attributes
    ----------
    sample_rate_hz, channels : int
    encoding : str
        A key of `WIDTHS`, or "" if only a library can decode the samples.
    start, n_bytes : int
        Position of the samples, and their length in bytes.
    claimed_bytes : int or None
        Length that the header states; None if the format allows a header without a length.
    size_at : int
        Position of the length in the header, 4 bytes in little-endian order; 0 in other formats than WAV.
    next_file : int
        Position where a concatenated file may begin.
    block_bytes, block_samples : int
        Length of a block of compressed samples, in bytes and in samples per channel; `block_samples` is 0 if unknown.
    left_out : str
        What stands behind the samples and is not read, if the user should know.
    """

    sample_rate_hz: int = 0
    channels: int = 0
    encoding: str = ""
    start: int = 0
    n_bytes: int = 0
    claimed_bytes: int | None = None
    size_at: int = 0
    next_file: int = 0
    block_bytes: int = 1
    block_samples: int = 0
    left_out: str = ""

    @property
    def frame_bytes(self) -> int:
        """Bytes of the samples of all channels at one time; 0 if only a library can decode them."""
        return WIDTHS[self.encoding] * self.channels if self.encoding else 0

    @property
    def length_is_unknown(self) -> bool:
        """Whether the length in the header is one that programs write if they do not know the length."""
        return self.has_placeholder_length and self.claimed_bytes != self.n_bytes

    @property
    def has_placeholder_length(self) -> bool:
        """Whether the header has such a length; it may be the true length of data that have not arrived."""
        claimed = self.claimed_bytes
        return claimed is not None and (claimed == 0 or claimed >= _UNKNOWN_BYTES)


def find_samples(data, at: int = 0, whole: bool = True) -> Samples | None:
    """Read the header at a position in the data; return None if none of these formats begins there.

    `whole` is False while data are still to come: a format behind samples of wrong length is then not searched for.

    Raises
    ------
    ValueError
        If the header is incomplete, or does not give a number of channels and a sample rate.
    """
    mark, form = data[at : at + 4], data[at + 8 : at + 12]
    try:
        if mark in (b"RIFF", b"RIFX", b"RF64", b"BW64") and form == b"WAVE":
            return _wav(data, at, ">" if mark == b"RIFX" else "<", whole)
        if data[at : at + 16] == _W64_RIFF:
            return _wav64(data, at)
        if mark == b"FORM" and form in (b"AIFF", b"AIFC"):
            return _aiff(data, at, whole)
        if mark == b".snd":
            return _au(data, at)
        if mark == b"caff":
            return _caf(data, at)
    except struct.error:
        raise ValueError("the header is cut off") from None
    return None


def _wav(data, at: int, order: str, whole: bool) -> Samples:
    found, size_64, file_end = Samples(), None, _file_end(data, at, order)
    samples_at, claimed, layout = len(data), 0, RIFX if order == ">" else RIFF
    for mark, place, size in chunks(data, at + 12, layout):
        if mark == b"ds64":
            file_bytes, size_64 = struct.unpack_from("<QQ", data, place)
            file_end = at + 8 + file_bytes
        elif mark == b"fmt ":
            _wav_format(data, place, order, found)
        elif mark == b"LIST" and data[place : place + 4] == b"wavl":
            raise ValueError("its samples are in parts (LIST wavl), which are not supported")
        elif mark == b"data" and not (size == 0 and are_chunks(data, place, layout)):
            samples_at, found.size_at = place, place - 4
            claimed = size_64 if size_64 is not None and size == 0xFFFFFFFF else size
        if found.channels and found.size_at:
            break
    if order == ">":
        found.size_at = 0
    end = _format_behind(data, b"fmt ", samples_at) if whole and order == "<" and not found.channels else -1
    if end >= 0:
        _wav_format(data, end + 8, order, found)
    return _ended(_placed(data, found, samples_at, claimed, layout, file_end), end)


def _format_behind(data, mark: bytes, at: int) -> int:
    """Return the position of the chunk with the format behind samples at `at`, or -1; their length may be wrong."""
    following, place = first_match(_NEXT_FILE, data, at), first_match(_FORMAT_BEHIND[mark], data, at)
    return place if following < 0 or place < following else -1


def _ended(found: Samples, end: int) -> Samples:
    """Return a description of samples that end at `end`, if that is not -1."""
    if end >= 0:
        found.n_bytes = min(found.n_bytes, end - found.start)
    return found


def _file_end(data, at: int, order: str) -> int:
    """Return the end of a RIFF or FORM file according to its header."""
    return at + 8 + struct.unpack_from(order + "I", data, at + 4)[0]


def _wav_format(data, place: int, order: str, found: Samples) -> None:
    """Read sample rate, channels and encoding from the content of a `fmt ` chunk."""
    tag, found.channels, found.sample_rate_hz, align, bits = struct.unpack_from(order + "HHI4xHH", data, place)
    if tag == 0xFFFE:  # WAVE_FORMAT_EXTENSIBLE: the first two bytes of the GUID are the format code
        tag = struct.unpack_from(order + "24xH", data, place)[0]
    width, container = -(-bits // 8), align // max(found.channels, 1)
    kind = {1: "i", 3: "f"}.get(tag, "")
    if not width or (width, container) == (3, 4) or kind == "f":  # 24 bits in 4 bytes are usual
        width = container
    narrow = {(1, 1): "u1", (6, 1): "alaw", (7, 1): "ulaw"}.get((tag, width), "")
    if tag in (0x02, 0x11, 0x31):  # ADPCM of Microsoft and IMA, GSM 06.10
        found.block_samples = struct.unpack_from(order + "18xH", data, place)[0]
    found.block_bytes = 1 if tag in _WITHOUT_BLOCKS else max(align, 1)
    found.encoding = narrow or (f"{order}{kind}{width}" if f"<{kind}{width}" in WIDTHS else "")


def _wav64(data, at: int) -> Samples:
    found, file_end = Samples(), at + struct.unpack_from("<Q", data, at + 16)[0]
    samples_at, claimed = 0, 0
    for mark, place, size in chunks(data, at + 40, W64):
        if mark[:4] == b"fmt ":
            _wav_format(data, place, "<", found)
        elif mark[:4] == b"data" and not samples_at:
            samples_at, claimed = place, max(size, 0)
        if found.channels and samples_at:  # in any order
            break
    return _placed(data, found, samples_at or len(data), claimed, W64, file_end)


def _aiff(data, at: int, whole: bool) -> Samples:
    found, is_aifc = Samples(), data[at + 8 : at + 12] == b"AIFC"
    start, claimed = 0, 0
    for mark, place, size in chunks(data, at + 12, RIFX):
        if mark == b"COMM":
            _aiff_format(data, place, is_aifc, found)
        elif mark == b"SSND" and not start:
            start = place + 8 + struct.unpack_from(">I", data, place)[0]
            claimed = max(place + size - start, 0)
        if found.channels and start:  # in any order
            break
    start = start or len(data)
    end = _format_behind(data, b"COMM", start) if whole and not found.channels else -1
    if end >= 0:
        _aiff_format(data, end + 8, is_aifc, found)
    return _ended(_placed(data, found, start, claimed, RIFX, _file_end(data, at, ">")), end)


def _aiff_format(data, place: int, is_aifc: bool, found: Samples) -> None:
    """Read sample rate, channels and encoding from the content of a `COMM` chunk."""
    found.channels, _, bits, exponent, mantissa = struct.unpack_from(">HIHHQ", data, place)
    found.sample_rate_hz = round(mantissa * 2.0 ** (min(exponent & 0x7FFF, 16500) - 16446))
    found.encoding = "i1" if bits <= 8 else f">i{-(-bits // 8)}"
    kind = data[place + 18 : place + 22] if is_aifc else b"NONE"
    if kind not in (b"NONE", b"twos") or (kind == b"twos" and bits <= 16):
        found.encoding = _AIFF_ENCODINGS.get(kind, "")
    if found.encoding not in WIDTHS:
        found.encoding = ""


def _au(data, at: int) -> Samples:
    start, size, code, rate_hz, channels = struct.unpack_from(">4xIIIII", data, at)
    found = Samples(rate_hz, channels, _AU_ENCODINGS.get(code, ""))
    return _placed(data, found, at + start, None if size == 0xFFFFFFFF else size, None, at + start + size)


def _caf(data, at: int) -> Samples:
    found = Samples()
    for mark, place, size in chunks(data, at + 8, CAF):
        if mark == b"desc":
            rate_hz, kind, flags, n_bytes, _, found.channels, bits = struct.unpack_from(">d4sIIIII", data, place)
            if kind == b"lpcm" and n_bytes != -(-bits // 8) * found.channels:
                raise ValueError(
                    f"it has {found.channels} samples of {bits} bits in {n_bytes} bytes, they must fill them"
                )
            found.sample_rate_hz = round(rate_hz) if 0 <= rate_hz < 1e9 else 0
            linear = ("<" if flags & 2 else ">") + ("f" if flags & 1 else "i") + str(-(-bits // 8))
            linear = "i1" if linear[1:] == "i1" else linear
            encoding = {b"lpcm": linear, b"alaw": "alaw", b"ulaw": "ulaw"}.get(kind, "")
            found.encoding = encoding if encoding in WIDTHS else ""
        elif mark == b"data":
            return _placed(data, found, place + 4, None if size < 0 else max(size - 4, 0), CAF, place + size)
    return _placed(data, found, len(data), 0, CAF)


def _placed(data, found: Samples, start: int, claimed: int | None, layout: Layout | None, file_end: int = 0) -> Samples:
    """Add the position of the samples and their true length to a description.

    `layout` is that of chunks, if the format has them, and `file_end` the end of the file according to its header; a
    few bytes after it are not samples.
    """
    if found.channels < 1 or found.sample_rate_hz < 1:
        raise ValueError(f"the header gives {found.channels} channels and {found.sample_rate_hz} Hz")
    following = first_match(_NEXT_FILE, data, start)
    end = following if following >= 0 else len(data)
    found.start, found.n_bytes, found.claimed_bytes, found.next_file = start, max(end - start, 0), claimed, end
    if claimed is not None and claimed <= found.n_bytes:
        align = layout.align if layout else 1
        after = start + claimed + -claimed % align
        if claimed and begins_mp3(data, after):  # it has no mark that `_NEXT_FILE` could find
            found.n_bytes, found.next_file = claimed, after
            return found
        file_end = file_end if 0 <= after - file_end < align else after if are_foreign(data, after, end) else 0
        is_end = claimed > 0 and file_end > 0 and _is_end(data, found, after, end, file_end)
        follow = begins_chunk(data, after) if claimed or not layout else are_chunks(data, after, layout)
        if after >= end or is_end or follow or (claimed and after > end - 8):
            found.n_bytes = claimed
        if follow and layout:
            found.left_out = _second(data, found, after, end, layout)
    return found


def _is_end(data, found: Samples, after: int, end: int, file_end: int) -> bool:
    """Return whether the bytes behind the end of the file according to its header are no samples."""
    if end - after <= _MAX_TRAILING_BYTES:
        return True
    if not found.encoding or are_foreign(data, file_end, end) or are_foreign(data, after, end):  # padded or not
        found.left_out = f"{end - file_end} bytes behind the end that the header gives"
        return True
    return False


def _second(data, found: Samples, at: int, end: int, layout: Layout) -> str:
    """Return what to say of further samples in chunks behind the first ones, which no program plays."""
    sizes = [
        min(size, end - place)
        for mark, place, size in chunks(data, at, layout)
        if mark.startswith(SAMPLE_CHUNKS) and place < end
    ]
    if not sum(sizes):
        return ""
    seconds = f", {sum(sizes) / found.frame_bytes / found.sample_rate_hz:.3f} s" if found.frame_bytes else ""
    what = "a second chunk" if len(sizes) == 1 else f"{len(sizes)} more chunks"
    return f"{what} of samples ({sum(sizes)} bytes{seconds})"
