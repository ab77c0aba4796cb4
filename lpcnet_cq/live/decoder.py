"""Live decoder: turns each packet, also a lost one, into a frame of samples.

Place in the chain: between packets and the signal model, for streams that are still being received. Every call takes
one packet and returns `frame_size` samples. Delay: that of the signal model's decoder; `live.coder` describes the
alignment.
"""

from dataclasses import replace
from numbers import Integral

import numpy as np

from dsp._floating_point import usual_errors
from lpcnet_cq.audio.level import restore
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.descriptor import is_descriptor
from lpcnet_cq.bitstream.level import take_level
from lpcnet_cq.bitstream.packet_reader import BUFFER_BYTES
from lpcnet_cq.bitstream.protection import MAX_DISTANCE, find_copy
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.live.coder import LiveCoder
from lpcnet_cq.live.pause import finds_pauses
from lpcnet_cq.parts import CodecParts


class Decoder(LiveCoder):
    """Turn packets into frames of samples at the codec's sample rate.

    Parameters
    ----------
    parts : CodecParts
    layers : int
        Layers of the encoder; the last ones of a packet may be missing. Packets of an encoder of one layer need 1: they
        are followed by levels and copies, which a decoder of more layers takes for a layer.
    """

    def __init__(self, parts: CodecParts, layers: int = 1):
        super().__init__(parts, layers)
        self._pasts: list[packet.Past] = []  # of the layers that are known, coarsest first
        self._state = parts.signal.start_decoder()
        self._last: packet.Integers | None = None
        self._lost = 0
        self._background: packet.Integers | None = None  # in pauses: what describes it
        self._levels = 0, 0  # L of the packet before and of this one

    @property
    def delay_samples(self) -> int:
        """Delay of frames relative to packets, in samples."""
        return self._parts.config.decoder_delay

    @property
    def known_layers(self) -> int:
        """Layers of the next packet whose context is known; 0 after a loss, up to the next context reset."""
        return len(self._pasts)

    def push(
        self,
        data: bytes | None,
        following: bytes | None = None,
        next_packet: bytes | None = None,
        distance: int = 1,
    ) -> np.ndarray:
        """Take a packet, or None for a lost one, or `b""` for one that was not sent, and return a frame.

        A packet that was not sent is comfort noise with envelope and level of the last silence descriptor, or of the
        last packet, if the descriptor was lost. After a descriptor, a lost packet is treated as one that was not sent.

        A lost packet is replaced by the copy in `following`, or by concealment (`SignalModel.conceal`), which sounds
        better if `next_packet` is known and resets the context. The packets after it need its context; they are
        concealed too, up to the next context reset. The last layers of a packet may be missing. A layer that was
        missing once is decoded again from the next context reset on.

        Parameters
        ----------
        data : bytes or None
        following : bytes, optional
            The packet that may carry a copy of the lost one: the encoder's `copy_offset` packets later.
        next_packet : bytes, optional
            The next received packet after the lost one.
        distance : int
            Packets from the lost one to `next_packet`, 1 to 3: 1 if it comes directly after.

        Returns
        -------
        float32 array (frame_size,) or (frame_size, channels)
            In [-1, 1].

        Raises
        ------
        BitstreamError
            If a packet is damaged; the state of the decoder does not change.
        ValueError
            If an argument is of another type or out of range.
        """
        whole = isinstance(distance, Integral) and not isinstance(distance, bool)
        if not whole or distance not in range(1, MAX_DISTANCE + 1):
            raise ValueError(f"`distance` is {distance!r}, it must be a whole number from 1 to {MAX_DISTANCE}")
        for name, value in (("data", data), ("following", following), ("next_packet", next_packet)):
            if not isinstance(value, bytes | bytearray | memoryview | None):
                kind = type(value).__name__
                raise ValueError(f"`{name}` is of type {kind}, it must be the bytes of a packet, or None")
        with usual_errors():
            return self._decoded(data, following, next_packet, distance)

    def _decoded(
        self, data: bytes | None, following: bytes | None, next_packet: bytes | None, distance: int
    ) -> np.ndarray:
        """Do what `push` does, whose arguments these are."""
        n, pasts, is_background, unsent = None, self._pasts, False, data is not None and not len(data)
        after, level = None, self._levels[1]
        if data is None:
            (n, level), after, pasts = self._read_copy(following), self._read_alone(next_packet), []
        elif unsent:
            if not finds_pauses(self._spec):
                raise BitstreamError("a packet has no bytes; this codec sends the packets of pauses, too")
            pasts = []
        elif self._pasts or packet.resets_context(self._parts.entropy, data):
            pasts, n, level, rest = self._read(data)
            is_background = is_descriptor(n, rest) and packet.resets_context(self._parts.entropy, data)
        self._pasts, self._levels = pasts, (self._levels[1], level)
        if n is not None:
            self._last, self._lost, self._background = n, 0, n if is_background else None
        elif unsent and self._background is None and self._last is not None:
            self._background = replace(self._last, latents=np.zeros_like(self._last.latents))
        y = self._frame(n, unsent, after, distance)
        return restore(y, self._levels, self.frame_size, self._parts.config.decoder_delay).clip(-1, 1)

    def _frame(
        self, n: packet.Integers | None, unsent: bool, after: packet.Integers | None, distance: int
    ) -> np.ndarray:
        """Return the sound of a packet, if it was received, or what replaces it.

        `after` is the packet `distance` packets later, if it is known.
        """
        signal = self._parts.signal
        if self._background is not None or unsent:
            self._state, y = signal.conceal(self._state, self._background, 0)
            return y if self._background is not None else np.zeros_like(y)
        if n is not None:
            self._state, y = signal.synthesise(self._state, n)
            return y
        self._lost += 1
        if self._last is None:  # before any packet, there is nothing to continue
            self._state, y = signal.conceal(self._state, None, self._lost)
            return np.zeros_like(y)
        self._state, y = signal.conceal(self._state, self._last, self._lost, after, distance)
        return y

    def _read(self, data: bytes) -> tuple[list[packet.Past], packet.Integers, int, bytes]:
        """Read all layers of a packet whose context is known, its level, and the bytes behind it.

        No layer consists of zero bytes only.
        """
        if len(data) > BUFFER_BYTES:
            raise BitstreamError(f"a packet has {len(data)} bytes, at most {BUFFER_BYTES} are allowed")
        resets = packet.resets_context(self._parts.entropy, data)
        known = self._layers if resets else len(self._pasts)
        for layers in range(1, known + 1):
            before = None if resets else self._pasts[:layers]
            pasts, n, ends = self._parts.reader.read(before, data, 0, 1, 1, layers - 1)
            end = int(ends[-1, -1])
            level, rest = self._levels[1], bytes(data[end:])
            if resets:
                level, rest = take_level(rest) if self._parts.live_levels(self._layers) else (0, rest)
            if not any(rest):  # nothing, or padding
                return pasts, n, level, rest
        if known == self._layers and (known > 1 or find_copy(self._parts.entropy, rest) is None):
            raise BitstreamError(f"a packet has {len(data) - end} bytes after its last layer")
        return pasts, n, level, rest

    def _read_copy(self, following: bytes | None) -> tuple[packet.Integers | None, int]:
        """Return integers and level of the copy that a packet carries; None and the last level if there is none."""
        entropy = self._parts.entropy
        if following is None or not packet.resets_context(entropy, following):
            return None, self._levels[1]
        copy = find_copy(entropy, self._read(following)[3])
        if not copy:
            return None, self._levels[1]
        _, n, level, rest = self._read(copy)
        if any(rest):
            raise BitstreamError(f"a packet has {len(rest)} bytes behind the copy that it carries")
        return n, level

    def _read_alone(self, data: bytes | None) -> packet.Integers | None:
        """Return the integers of a packet that resets the context; None of others, and where there is no packet."""
        return self._read(data)[1] if data and packet.resets_context(self._parts.entropy, data) else None
