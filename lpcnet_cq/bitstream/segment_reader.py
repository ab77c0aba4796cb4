"""Segment reader: returns the integers of every packet of a file, and the end of each of its layers.

Place in the chain: between the container and `packet_reader`, for `Codec.decode`, `info` and `thin`.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import BinaryIO, NamedTuple

from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.container import read_segments
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet_reader import ReadsPackets
from lpcnet_cq.bitstream.packing import strip_padding
from lpcnet_cq.errors import BitstreamError


class ReadSegment(NamedTuple):
    """Hold a segment.

    Attributes
    ----------
    enhancements : int
    payload : bytes
        Without padding.
    parts : list of Integers
        In runs of packets.
    ends : list of lists of int
        Offset after each layer of each packet.
    level : int
        See `bitstream.level`.
    """

    enhancements: int
    payload: bytes
    parts: list[packet.Integers]
    ends: list[list[int]]
    level: int = 0

    def runs(self, model: EntropyModel) -> Iterator[packet.Integers]:
        """Yield the packets in runs; each run begins with a context reset."""
        n, starts = packet.join(model, self.parts), [0, *(ends[-1] for ends in self.ends)][: len(self.ends)]
        cuts = [i for i, start in enumerate(starts) if packet.resets_context(model, self.payload, start)]
        for a, b in pairwise([*cuts, len(starts)]):
            yield n[a:b]


def read_each(reader: ReadsPackets, file: BinaryIO, chunk: int, max_enhancements: int) -> Iterator[ReadSegment]:
    """Read the packets of all segments, one after the other.

    Parameters
    ----------
    reader : ReadsPackets
    file : binary file, open for reading, positioned after its header
    chunk : int
        Packets per compiled call.
    max_enhancements : int
        Largest number of enhancement layers of the codec's packets, 0 or more.

    Raises
    ------
    BitstreamError
        If a segment or a packet is damaged.
    """
    for segment in read_segments(file):
        if segment.enhancements > max_enhancements:
            raise BitstreamError(
                f"a segment has {segment.enhancements} enhancement layers, this codec allows {max_enhancements}"
            )
        pasts, parts, ends, offset = None, [], [], 0
        for i in range(0, segment.n_packets, chunk):
            n_packets = min(chunk, segment.n_packets - i)
            place = segment.payload, offset, n_packets, chunk, segment.enhancements, segment.packet_bytes
            pasts, n, end = reader.read(pasts, *place)
            parts.append(n)
            ends.extend(end.tolist())
            offset = len(ends) * segment.packet_bytes or ends[-1][-1]
        if offset != len(segment.payload):
            raise BitstreamError(f"a segment has {len(segment.payload) - offset} bytes after its last packet")
        payload = segment.payload
        if segment.packet_bytes:
            payload, ends = strip_padding(payload, ends, segment.packet_bytes)
        yield ReadSegment(segment.enhancements, payload, parts, ends, segment.level)
