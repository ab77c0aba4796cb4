"""Header extensions: codec, rate mode, coding rate, hop and length of a `.cq` file, and the fields of live streams.

Place in the chain: part of the header that `container` writes and reads. Cost: 7 bytes per file, 3 more per live
stream. Readers of the first releases skip the first 7; files of those releases do not have them.
"""

import struct
from dataclasses import dataclass

FIELDS = struct.Struct(">BHHH")  # codec and mode; coding sample rate; hop; original samples, bits 0 to 15
LIVE_FIELDS = struct.Struct(">BH")  # enhancement layers of every packet; pre-skip
CODECS = ("other", "speech", "music")  # by number
MODES = ("other", "mean", "capped", "constant")
LENGTH_UNIT = 1 << 16  # 16 bits of the length are stored; the others follow from the length at the coding rate
MAX_SAMPLES = (1 << 40) - 1


@dataclass(frozen=True)
class Coding:
    """Hold the fields of the header extension.

    Parameters
    ----------
    codec : str
        "speech", "music" or "other".
    mode : str
        "mean": the bitrate is the mean over the file. "capped": the bitrate is the maximum of every packet. "constant":
        every packet has the size that the bitrate allows. Or "other".
    sample_rate_hz : int
        Sample rate of the codec, 1..65535.
    hop : int
        Samples per packet and channel at that rate, 1..65535.
    n_samples : int
        Length of the original per channel, at its own sample rate, 0..2**40 - 1.

    Raises
    ------
    ValueError
        If a field lies outside its range.

    Examples
    --------
    >>> coding = Coding("speech", "mean", 16000, 320, 441001)
    >>> Coding.unpack(coding.pack(), coding.coded_samples(44100), 44100) == coding
    True
    """

    codec: str
    mode: str
    sample_rate_hz: int
    hop: int
    n_samples: int

    def __post_init__(self):
        for name, allowed in (("codec", CODECS), ("mode", MODES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} {getattr(self, name)!r} must be one of {', '.join(allowed)}")
        for name, low, high in (("sample_rate_hz", 1, 65535), ("hop", 1, 65535), ("n_samples", 0, MAX_SAMPLES)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"coding {name} {getattr(self, name)} must be {low}..{high}")

    @property
    def kind(self) -> int:
        """Numbers of codec and mode in one byte."""
        return CODECS.index(self.codec) << 4 | MODES.index(self.mode)

    def coded_samples(self, original_hz: int) -> int:
        """Return the length of the original after resampling to the coding sample rate."""
        return -(-self.n_samples * self.sample_rate_hz // original_hz)

    def pack(self) -> bytes:
        """Return the bytes of the extension."""
        return FIELDS.pack(self.kind, self.sample_rate_hz, self.hop, self.n_samples % LENGTH_UNIT)

    @classmethod
    def unpack(cls, data: bytes, n_samples: int, original_hz: int) -> "Coding":
        """Return the fields in the first bytes of data; unknown codec and mode numbers become "other".

        Parameters
        ----------
        data : bytes
        n_samples : int
            Length at the coding sample rate.
        original_hz : int
            Sample rate of the original.

        Raises
        ------
        ValueError
            If a field lies outside its range.
        """
        kind, sample_rate_hz, hop, low = FIELDS.unpack_from(data)
        codec, mode = (
            known[i] if i < len(known) else "other" for known, i in ((CODECS, kind >> 4), (MODES, kind & 15))
        )
        longest = n_samples * original_hz // max(sample_rate_hz, 1)
        return cls(codec, mode, sample_rate_hz, hop, longest - (longest - low) % LENGTH_UNIT)


@dataclass(frozen=True)
class Live:
    """Hold what only the header of a live stream says.

    Parameters
    ----------
    enhancements : int
        Enhancement layers that every packet has, 0..255.
    pre_skip : int
        Samples at the coding rate that the decoder drops before the signal begins, 0..65535: what the packets lag
        the signal, and the delay of the decoder.

    Raises
    ------
    ValueError
        If a field lies outside its range.

    Examples
    --------
    >>> Live.unpack(Live(0, 192).pack())
    Live(enhancements=0, pre_skip=192)
    """

    enhancements: int
    pre_skip: int

    def __post_init__(self):
        for name, most in (("enhancements", 0xFF), ("pre_skip", 0xFFFF)):
            if not 0 <= getattr(self, name) <= most:
                raise ValueError(f"{name} {getattr(self, name)} must be 0..{most}")

    def pack(self) -> bytes:
        """Return the bytes of the fields."""
        return LIVE_FIELDS.pack(self.enhancements, self.pre_skip)

    @classmethod
    def unpack(cls, data: bytes) -> "Live":
        """Return the fields in the first bytes of data."""
        return cls(*LIVE_FIELDS.unpack_from(data))
