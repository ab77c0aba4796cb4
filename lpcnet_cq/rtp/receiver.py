"""RTP packets to sound: headers and payloads are checked, the jitter buffer waits, the live decoder conceals.

Place in the chain: behind the network. Delay: that of the jitter buffer and of the decoder.
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.rtp.header import packet_class, parse
from lpcnet_cq.rtp.jitter_buffer import JitterBuffer
from lpcnet_cq.rtp.payload import unpack
from lpcnet_cq.rtp.redundancy import unpack_redundant

if TYPE_CHECKING:
    from aiortc.rtp import RtpPacket  # pyright: ignore[reportMissingImports]


class LiveDecoder(Protocol):
    """List what the receiver needs of `lpcnet_cq.live.decoder.Decoder`."""

    @property
    def frame_size(self) -> int:
        """Samples of a frame, per channel."""
        ...

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the samples, and of the timestamps."""
        ...

    @property
    def channels(self) -> int:
        """Channels of a frame."""
        ...

    def push(
        self,
        data: bytes | None,
        following: bytes | None = None,
        next_packet: bytes | None = None,
        distance: int = 1,
    ) -> np.ndarray:
        """Take a packet, or None for a lost one with the packet that may carry its copy and the next packet."""
        ...


class Receiver:
    """Turn RTP packets into frames of samples, one per frame interval.

    Packets of other payload types, and of other sources (SSRC) than the first one's, are ignored.

    Parameters
    ----------
    decoder : LiveDecoder
        From `Codec.decoder`.
    payload_type, redundant_type : int
        As the sender has them.
    max_delay_ms : float
        Of the jitter buffer, at most.
    copy_offset : int
        That of the sender's encoder, if its packets carry copies (`a=fmtp` with `copyoffset`); 0: no copies.

    Attributes
    ----------
    buffer : JitterBuffer
        With its counts.
    ignored, damaged : int
        Packets of others, and packets that could not be read.

    Raises
    ------
    ModuleNotFoundError
        If aiortc is not installed.
    """

    def __init__(
        self,
        decoder: LiveDecoder,
        payload_type: int = 96,
        redundant_type: int = 97,
        max_delay_ms: float = 200.0,
        copy_offset: int = 0,
    ):
        packet_class()  # raises now, not with the first packet
        self.buffer = JitterBuffer(decoder.frame_size, decoder.sample_rate_hz, max_delay_ms, copy_offset)
        self.ignored = self.damaged = 0
        self._decoder, self._payload_type, self._redundant_type = decoder, payload_type, redundant_type
        self._ssrc: int | None = None

    def receive(self, data: bytes, now_ms: float) -> None:
        """Take an RTP packet; a damaged one is counted and dropped.

        Parameters
        ----------
        data : bytes
            What a datagram holds.
        now_ms : float
            Time of arrival.
        """
        try:
            packet = parse(data)
            if packet.payload_type not in (self._payload_type, self._redundant_type):
                self.ignored += 1
                return
            frames, copies = self._frames(packet)
        except BitstreamError:
            self.damaged += 1
            return
        self._ssrc = packet.ssrc if self._ssrc is None else self._ssrc
        if packet.ssrc != self._ssrc:
            self.ignored += 1
            return
        self.buffer.put(packet.sequence_number, packet.timestamp, frames, now_ms, copies)

    def play(self, now_ms: float) -> np.ndarray:
        """Return the frame to play now; silence before the first one is due.

        Where the jitter buffer leaves out a frame, the sound fades over from it to the next one.

        Parameters
        ----------
        now_ms : float
            Time; successive calls are one frame apart.

        Returns
        -------
        float32 array (frame_size,) or (frame_size, channels)
        """
        size, channels = self._decoder.frame_size, self._decoder.channels
        taken = self.buffer.pop(now_ms)
        if not taken:
            return np.zeros(size if channels == 1 else (size, channels), np.float32)
        left_out, y = [self._decode(data) for data in taken[:-1]], self._decode_last(taken[-1])
        if not left_out:
            return y
        fade = np.linspace(0, 1, size, dtype=np.float32).reshape(-1, *[1] * (y.ndim - 1))
        return (1 - fade) * left_out[0] + fade * y

    def _frames(self, packet: "RtpPacket") -> tuple[list[bytes], list[tuple[int, list[bytes]]]]:
        """Return a packet's own frames, and the ages and frames of the copies in it."""
        if packet.payload_type == self._payload_type:
            return unpack(packet.payload), []
        *copies, own = unpack_redundant(packet.payload)
        if any(block.payload_type != self._payload_type for block in (*copies, own)):
            raise BitstreamError("a redundant RTP packet holds other payload types")
        return unpack(own.payload), [(block.offset, unpack(block.payload)) for block in copies]

    def _decode_last(self, data: bytes | None) -> np.ndarray:
        """Return the frame to play now; for a missing one, the jitter buffer gives what may replace it."""
        if data is not None:
            return self._decode(data)
        return self._decode(None, self.buffer.following(), *self.buffer.next_frame())

    def _decode(
        self, data: bytes | None, following: bytes | None = None, next_packet: bytes | None = None, distance: int = 1
    ) -> np.ndarray:
        try:
            return self._decoder.push(data, following, next_packet, distance)
        except BitstreamError:
            self.damaged += 1
            return self._decoder.push(None)
