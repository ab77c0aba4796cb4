"""Container of live streams: every packet can be written and read as soon as it exists.

Place in the chain: as `container`, whose header a live stream has. Cost: two bytes per packet, three from 63 bytes on,
and ten per stream. Delay: none. `docs/bitstream.md` shows the format byte by byte.

Every record ends with a check: the low 8 bits of the CRC-32 of all records so far. As it runs on from packet to packet,
damage that one check misses is seen by the next ones, and the whole CRC ends the stream. The length of the signal
stands before the packets that complete it, so that a decoder never has to wait for the end to know how much to play.
"""

from binascii import crc32
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from lpcnet_cq.bitstream.container import CRC, Header, read_up_to
from lpcnet_cq.errors import BitstreamError

LENGTH_BYTES = 5  # of the signal's length
MAX_PACKET_BYTES = (1 << 14) - 2
DAMAGED = "the .cq stream is damaged: {}"


def packets_of(header: Header, n_samples: int) -> int:
    """Return how many packets the live stream of a signal of so many samples, at its own rate, has.

    Raises
    ------
    ValueError
        If the header is not that of a live stream.
    """
    coding, live = header.coding, header.live
    if coding is None or live is None:
        raise ValueError("the header is not that of a live stream")
    coded = replace(coding, n_samples=n_samples).coded_samples(header.sample_rate_hz)
    return -(-(coded + live.pre_skip) // coding.hop) if n_samples else 0


class LiveWriter:
    """Write the records of a live stream, each at once.

    Parameters
    ----------
    file : binary file open for writing, behind its header

    Examples
    --------
    >>> from io import BytesIO
    >>> from lpcnet_cq.bitstream.extension import Coding, Live
    >>> writer = LiveWriter(BytesIO())
    >>> writer.packet(b"ab"); writer.length(320); writer.packet(b""); writer.end()
    >>> header = Header(0, 16000, 9000, 16 * "0", 1, Coding("speech", "mean", 16000, 320, 0), Live(0, 192))
    >>> reader = LiveReader(BytesIO(writer.file.getvalue()), header)
    >>> list(reader.packets()), reader.n_samples, reader.is_cut_off
    ([b'ab', b''], 320, False)
    """

    def __init__(self, file: BinaryIO):
        self.file, self._crc = file, 0

    def packet(self, data: bytes) -> None:
        """Write a packet with all its layers.

        Raises
        ------
        ValueError
            If it has more than 16382 bytes.
        """
        if len(data) > MAX_PACKET_BYTES:
            raise ValueError(f"a packet has {len(data)} bytes, {MAX_PACKET_BYTES} are the most")
        n = len(data) + 1
        self._write((bytes([n]) if n < 0x40 else (n | 0x4000).to_bytes(2, "big")) + data)

    def length(self, n_samples: int) -> None:
        """Write the length of the signal, in samples of the original per channel, before the packets that end it."""
        self._write(b"\0" + n_samples.to_bytes(LENGTH_BYTES, "big"))

    def end(self) -> None:
        """Write the CRC behind the last packet."""
        self.file.write(CRC.pack(self._crc))
        self.file.flush()

    def _write(self, record: bytes) -> None:
        self._crc = crc32(record, self._crc)
        self.file.write(record + bytes([self._crc & 0xFF]))
        self.file.flush()


class LiveReader:
    """Read the packets of a live stream, each as soon as its bytes are there.

    Parameters
    ----------
    file : binary file open for reading, behind its header
    header : Header

    Attributes
    ----------
    n_samples : int or None
        Length of the signal in samples of the original per channel, once it was read.
    is_cut_off : bool
        Whether the stream ended before its end mark.
    """

    def __init__(self, file: BinaryIO, header: Header):
        self._file, self._header, self._crc = file, header, 0
        self.n_samples: int | None = None
        self.is_cut_off = False

    def packets(self) -> Iterator[bytes]:
        """Yield the packets up to the end of the stream, or as many as are whole where it is cut off.

        Raises
        ------
        BitstreamError
            If a record is damaged, packets are too many, or bytes follow the end.
        """
        count, need = 0, None
        while need is None or count < need:
            record = self._record()
            if record is None:
                self.is_cut_off = True
                return
            if isinstance(record, bytes):
                count += 1
                yield record
                continue
            if need is not None:
                raise BitstreamError(DAMAGED.format("it gives two lengths"))
            self.n_samples, need = record, packets_of(self._header, record)
            if count > need:
                raise BitstreamError(DAMAGED.format(f"{record} samples need {need} packets, it holds {count} before"))
        crc = read_up_to(self._file, CRC.size)
        self.is_cut_off = len(crc) < CRC.size
        if not self.is_cut_off and CRC.unpack(crc)[0] != self._crc:
            raise BitstreamError(DAMAGED.format("its CRC does not match"))
        if self._file.read(1):
            raise BitstreamError("the .cq stream goes on behind its end")

    def _record(self) -> bytes | int | None:
        """Return a packet, or the length, or None if the stream ends here."""
        head = self._take(1)
        if head and head[0] >= 0x40:
            if head[0] >= 0x80:
                raise BitstreamError(DAMAGED.format(f"a record begins with {head[0]}"))
            second = self._take(1)
            head = second and head + second
        if not head:
            return None
        n = int.from_bytes(head, "big") & 0x3FFF
        if len(head) == 2 and n < 0x40:
            raise BitstreamError(DAMAGED.format(f"a packet's size {n - 1} has a byte too many"))
        body = self._take(n - 1 if n else LENGTH_BYTES)
        check = read_up_to(self._file, 1)
        if body is None or not check:
            return None
        if check[0] != self._crc & 0xFF:
            raise BitstreamError(DAMAGED.format("the check of a packet does not match"))
        return body if n else int.from_bytes(body, "big")

    def _take(self, n_bytes: int) -> bytes | None:
        """Return n_bytes, which the CRC counts; None if the stream ends before."""
        data = read_up_to(self._file, n_bytes)
        self._crc = crc32(data, self._crc)
        return data if len(data) == n_bytes else None
