"""Live coding: a frame in, a packet out, a frame out again, with the state held between calls.

Place in the chain: `codec` for signals that are still being recorded. The encoder takes `frame_size` samples at a time
and answers with the packet that its look-ahead has just completed; the decoder answers every packet with as many
samples. Delay: `codec.delay_ms`, of which the frame itself is 20 ms of speech and 23 ms of music.

Alignment: the decoded frames, joined, lag the pushed ones by `encoder.delay_samples + decoder.delay_samples`. Without
as many samples at their beginning they line up with the input, and after `flush` they are no shorter.
"""

import numpy as np

from dsp.signals import checked_signal
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.packet_fit import Fitter, padded
from lpcnet_cq.bitstream.packing import Mode
from lpcnet_cq.bitstream.rate_control import Budget, operating_points
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.nn.packet_reader import BUFFER_BYTES
from lpcnet_cq.parts import CodecParts

RESET_INTERVAL = 25  # packets: after a loss, decoding goes on as before within 0.6 s


class _Live:
    """Hold what encoder and decoder have in common."""

    def __init__(self, parts: CodecParts, layers: int):
        self._parts, self._spec, self._layers = parts, parts.config.spec, layers

    @property
    def frame_size(self) -> int:
        """Samples of a frame, per channel."""
        return self._spec.hop

    @property
    def sample_rate_hz(self) -> int:
        """Rate of the samples."""
        return self._spec.sample_rate_hz

    @property
    def channels(self) -> int:
        """Channels of a frame: of 1 it is (frame_size,), of more (frame_size, channels)."""
        return self._parts.config.channels


class Encoder(_Live):
    """Turn frames of samples at the codec's rate into packets.

    The packet returned by a call is that of the samples up to `delay_samples` ago; the first one begins with the
    silence before the signal. With several layers `push_layers` returns them apart.

    Parameters
    ----------
    parts : CodecParts
    bitrate_bps : float
        Supported by the parts, as `Codec.encoder` checks.
    layers : int
    mode : str
        mean: any ten seconds of speech have the rate. capped: no packet is larger than its share of the rate, in
        whole bytes. constant: all packets have this size, padded with zero bytes where need be.
    """

    def __init__(self, parts: CodecParts, bitrate_bps: float, layers: int = 1, mode: Mode = "mean"):
        super().__init__(parts, layers)
        spec = self._spec
        self._steps = parts.packer.steps_for(layers)
        self._mode, self._packet_bytes = mode, parts.packet_bytes(bitrate_bps)
        self._usual_point = parts.packer.step_for_rate(bitrate_bps)
        self._budget = Budget(bitrate_bps * spec.hop / spec.sample_rate_hz)
        self._pasts: list[packet.Past] | None = None
        self._state = parts.signal.start_encoder(np.zeros(spec.look_ahead, np.float32))
        self._count = 0
        self._flushed = False

    @property
    def delay_samples(self) -> int:
        """Samples by which packets lag the frames: the look-ahead."""
        return self._spec.look_ahead

    def push(self, frame: np.ndarray) -> bytes:
        """Take one frame and return a packet.

        Parameters
        ----------
        frame : array (frame_size,) or (frame_size, channels)
            Samples in [-1, 1], or integers as `dsp.signals.checked_signal` takes them; a codec of two channels codes
            one as two alike.

        Raises
        ------
        ValueError
            If the frame has another shape, type or scale or values that are not finite, or the encoder was flushed.
        """
        return b"".join(self.push_layers(frame))

    def push_layers(self, frame: np.ndarray) -> tuple[bytes, ...]:
        """Do as `push` does, and return the packet's layers: any number of the first ones is a packet."""
        return self._packet(self._checked(frame))

    def flush(self) -> list[bytes]:
        """End the signal and return its remaining packets: decoded, they hold all samples that were pushed.

        Raises
        ------
        ValueError
            If the encoder was flushed before.
        """
        return [b"".join(layers) for layers in self.flush_layers()]

    def flush_layers(self) -> list[tuple[bytes, ...]]:
        """Do as `flush` does, and return the packets' layers."""
        self._check_open()
        self._flushed = True
        silence = np.zeros(0, np.float32)
        lag = self.delay_samples + self._parts.config.decoder_delay
        return [self._packet(silence) for _ in range(self._spec.n_frames(lag) if self._count else 0)]

    def _check_open(self) -> None:
        if self._flushed:
            raise ValueError("the encoder was flushed, which ends its signal: make another one")

    def _checked(self, frame: np.ndarray) -> np.ndarray:
        self._check_open()
        return checked_signal("frame", frame, max_channels=self.channels, length=self.frame_size, dtype=np.float32)

    def _packet(self, x: np.ndarray) -> tuple[bytes, ...]:
        """Return the layers of the next packet; x is a frame, or empty where the signal has ended."""
        parts = self._parts
        self._state, side, z = parts.signal.analyse(self._state, x, 1)
        pasts = None if self._count % RESET_INTERVAL == 0 else self._pasts
        fitter = Fitter(parts.entropy, pasts, side, z, parts.packer.sizes, self._steps, self._layers - 1)
        if self._mode == "mean":
            fitted = fitter.at(self._budget.point(self._usual_point, operating_points(self._steps)))
            if fitted.n_bytes < self._budget.least_bytes:
                fitted = fitter.within(self._budget.least_bytes)
            self._budget = self._budget.spend(fitted.n_bytes)
        else:
            fitted = fitter.within(self._packet_bytes)
        self._count += 1
        self._pasts = fitted.pasts
        return padded(fitted.packet, self._packet_bytes) if self._mode == "constant" else fitted.packet


class Decoder(_Live):
    """Turn packets of at most so many layers into frames of samples at the codec's rate.

    Parameters
    ----------
    parts : CodecParts
    layers : int
        Of the packets, at most.
    """

    def __init__(self, parts: CodecParts, layers: int = 1):
        super().__init__(parts, layers)
        self._pasts: list[packet.Past] = []  # of the layers that are known, coarsest first
        self._state = parts.signal.start_decoder()
        self._last: packet.Integers | None = None
        self._lost = 0

    @property
    def delay_samples(self) -> int:
        """Samples by which frames lag the packets."""
        return self._parts.config.decoder_delay

    def push(self, data: bytes | None) -> np.ndarray:
        """Take a packet, or None for a lost one, and return a frame.

        A lost packet is concealed by the last one with falling level; so are the packets behind it, which need its
        context, up to the next context reset. Layers may be missing from a packet's end; a layer that was missing is
        of use again from the next context reset on.

        Returns
        -------
        float32 array (frame_size,) or (frame_size, channels)
            In [-1, 1].

        Raises
        ------
        BitstreamError
            If the packet is damaged; the decoder stays as it was.
        """
        n = None
        if data is None:
            self._pasts = []
        elif self._pasts or packet.resets_context(data):
            self._pasts, n = self._read(data)
            self._last, self._lost = n, 0
        if n is None:
            self._lost += 1
            n = self._parts.signal.conceal(self._last, self._lost)
        self._state, y = self._parts.signal.synthesise(self._state, n)
        return np.clip(y, -1, 1)

    def _read(self, data: bytes) -> tuple[list[packet.Past], packet.Integers]:
        """Read as many layers as the packet has and as are known; no layer consists of zero bytes alone."""
        if len(data) > BUFFER_BYTES:
            raise BitstreamError(f"a packet has {len(data)} bytes, {BUFFER_BYTES} are the most")
        known = self._layers if packet.resets_context(data) else len(self._pasts)
        for layers in range(1, known + 1):
            before = self._pasts[:layers] if len(self._pasts) >= layers else None
            pasts, n, ends = self._parts.reader.read(before, data, 0, 1, 1, layers - 1)
            if not any(data[ends[-1, -1] :]):  # nothing, or padding
                return pasts, n
        if known == self._layers:
            raise BitstreamError(f"a packet has {len(data) - ends[-1, -1]} bytes too many")
        return pasts, n
