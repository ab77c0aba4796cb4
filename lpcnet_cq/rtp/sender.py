"""Packets of the codec to RTP packets: timestamps, marker bit, aggregation, redundancy.

Place in the chain: behind the live encoder. Delay: aggregation of n packets holds the first one for n - 1 packets.
"""

import secrets
from collections import deque

from lpcnet_cq.bitstream.descriptor import MARK
from lpcnet_cq.rtp.header import packet_class
from lpcnet_cq.rtp.payload import MAX_PACKETS, pack
from lpcnet_cq.rtp.redundancy import fits, pack_redundant


class Sender:
    """Turn packets of the codec into RTP packets.

    The first sequence number, the first timestamp and the synchronisation source (SSRC) are random, as RFC 3550 wants.

    Parameters
    ----------
    hop : int
        Timestamp units per packet of the codec: samples of a frame.
    payload_type : int
        Of the payload format, 0..127.
    aggregate : int
        Packets of the codec per RTP packet, 1..16.
    copies : int
        Earlier payloads that travel in each RTP packet, 0 or more; those that RFC 2198 cannot carry are left out.
    redundant_type : int
        Payload type of packets with copies, 0..127.

    Raises
    ------
    ValueError
        If a value is out of range.
    ModuleNotFoundError
        If aiortc is not installed.
    """

    def __init__(self, hop: int, payload_type: int = 96, aggregate: int = 1, copies: int = 0, redundant_type: int = 97):
        for name, value, low, high in (
            ("hop", hop, 1, 1 << 16),
            ("payload_type", payload_type, 0, 127),
            ("aggregate", aggregate, 1, MAX_PACKETS),
            ("copies", copies, 0, 100),
            ("redundant_type", redundant_type, 0, 127),
        ):
            if not low <= value <= high:
                raise ValueError(f"`{name}` is {value}, it must be from {low} to {high}")
        self._packet = packet_class()
        self._hop, self._aggregate = hop, aggregate
        self._payload_type, self._redundant_type = payload_type, redundant_type
        self._sequence, self._timestamp = secrets.randbits(16), secrets.randbits(32)
        self.ssrc = secrets.randbits(32)
        self._waiting: list[bytes] = []  # for others to travel with
        self._earlier: deque[tuple[int, bytes]] = deque(maxlen=copies)  # timestamps and payloads, oldest first
        self._begins = True  # the next packet of speech is the first one after a pause
        self._paused = False  # packets were left out since the last packet of speech

    def push(self, packet: bytes | None) -> list[bytes]:
        """Take the next packet of the codec, and return RTP packets to send now.

        Parameters
        ----------
        packet : bytes or None
            None, or no bytes, as encoders return them in pauses: it is not sent, but its time passes.

        Returns
        -------
        list of bytes
            None or one; two where a pause follows packets that wait.
        """
        if not packet:
            sent = self.flush()
            self._timestamp, self._begins, self._paused = self._timestamp + self._hop, True, True
            return sent
        self._waiting.append(packet)
        return self.flush() if len(self._waiting) == self._aggregate else []

    def flush(self) -> list[bytes]:
        """Return the RTP packet of those packets that still wait for others, if there are any."""
        if not self._waiting:
            return []
        payload, count = pack(self._waiting), len(self._waiting)
        copies = [(self._timestamp - old, copy) for old, copy in self._earlier if fits(self._timestamp - old, copy)]
        describes = [self._paused and data.endswith(MARK) for data in self._waiting]  # no speech (RFC 3551, 4.1)
        data = self._packet(
            payload_type=self._redundant_type if copies else self._payload_type,
            marker=int(self._begins and not describes[0]),
            sequence_number=self._sequence % (1 << 16),
            timestamp=self._timestamp % (1 << 32),
            ssrc=self.ssrc,
            payload=pack_redundant(self._payload_type, payload, copies) if copies else payload,
        ).serialize()
        self._earlier.append((self._timestamp, payload))
        self._sequence, self._timestamp = self._sequence + 1, self._timestamp + count * self._hop
        self._waiting, self._begins, self._paused = [], self._begins and describes[-1], all(describes)
        return [data]
