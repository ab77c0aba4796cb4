"""Live coding: samples in, packets out, a frame out again for each, with the state held between calls.

Place in the chain: `codec` for signals that are still being recorded. The encoder takes any number of samples at a time
and answers with the packets that they complete; the decoder answers every packet with `frame_size` samples. Delay:
`codec.delay_ms`, of which the frame itself is 20 ms of speech and 23 ms of music.

Alignment: the decoded frames, joined, lag the pushed samples by `encoder.delay_samples + decoder.delay_samples`.
Without as many samples at their beginning they line up with the input, and after `flush` they are no shorter.
"""

from collections.abc import Iterator
from numbers import Real

import numpy as np

from dsp.signals import checked_signal
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.packet_fit import Fitter, padded
from lpcnet_cq.bitstream.packing import Mode
from lpcnet_cq.bitstream.rate_control import Budget, operating_points, reset_interval
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.nn.packet_reader import BUFFER_BYTES
from lpcnet_cq.parts import CodecParts


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
    """Turn samples at the codec's rate into packets of `frame_size` samples each.

    A packet is complete when the samples up to `delay_samples` behind it are there; the first one begins with the
    silence before the signal. The packets are the same however the signal is cut into calls. With several layers
    `push_layers` returns them apart.

    Parameters
    ----------
    parts : CodecParts
    bitrate_bps : float
        Supported by the parts, as `Codec.encoder` checks.
    layers : int
    mode : str
        mean: any ten seconds of speech have the rate. capped: no packet is larger than its share of the rate, in
        whole bytes. constant: all packets have this size, padded with zero bytes where need be.
    expected_loss : float
        See the property.
    """

    def __init__(
        self,
        parts: CodecParts,
        bitrate_bps: float,
        layers: int = 1,
        mode: Mode = "mean",
        expected_loss: float = 0.0,
    ):
        super().__init__(parts, layers)
        spec = self._spec
        self._steps = parts.packer.steps_for(layers)
        self._mode, self._packet_bytes = mode, parts.packet_bytes(bitrate_bps)
        self._usual_point = parts.packer.step_for_rate(bitrate_bps)
        self._budget = Budget(bitrate_bps * spec.hop / spec.sample_rate_hz)
        self._pasts: list[packet.Past] | None = None
        self._state = parts.signal.start_encoder(np.zeros(spec.look_ahead, np.float32))
        self._pending = np.zeros((0, self.channels) if self.channels > 1 else 0, np.float32)
        self._count = self._since_reset = 0  # packets
        self.expected_loss = expected_loss
        self._flushed = False

    @property
    def delay_samples(self) -> int:
        """Samples by which packets lag the signal: the look-ahead."""
        return self._spec.look_ahead

    @property
    def expected_loss(self) -> float:
        """Fraction of packets that the channel loses, 0 to 1; it can be set at any time, for the next packet on.

        The larger it is, the more often a packet resets the context of the entropy coder, which ends the effect of
        losses before it and costs bits: see `rate_control.reset_interval`.
        """
        return self._expected_loss

    @expected_loss.setter
    def expected_loss(self, fraction: float) -> None:
        if not isinstance(fraction, Real) or not 0 <= fraction <= 1:
            raise ValueError(f"`expected_loss` is {fraction!r}, it must be a number from 0 to 1")
        self._expected_loss = float(fraction)
        self._reset_interval = reset_interval(self._expected_loss)

    def push(self, samples: np.ndarray) -> list[bytes]:
        """Take the next samples of the signal and return the packets that they complete.

        Parameters
        ----------
        samples : array (n,) or (n, channels)
            Any number, also none, in [-1, 1], or integers as `dsp.signals.checked_signal` takes them; a codec of two
            channels codes one as two alike.

        Returns
        -------
        list of bytes
            One packet for every `frame_size` samples that have been pushed, over all calls.

        Raises
        ------
        ValueError
            If the samples have another shape, type or scale or values that are not finite, or the encoder was flushed;
            the encoder stays as it was.
        """
        return [b"".join(layers) for layers in self.push_layers(samples)]

    def push_layers(self, samples: np.ndarray) -> list[tuple[bytes, ...]]:
        """Do as `push` does, and return the packets' layers: any number of the first ones is a packet."""
        return [self._packet(frame) for frame in self._frames(samples)]

    def flush(self) -> list[bytes]:
        """End the signal, wherever in a frame, and return its remaining packets.

        Decoded, the packets of all calls hold all samples that were pushed.

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
        rest, pushed = self._pending, self._count * self.frame_size + len(self._pending)
        lag = self.delay_samples + self._parts.config.decoder_delay
        n_packets = self._spec.n_frames(pushed + lag) - self._count if pushed else 0
        return [self._packet(rest if i == 0 else rest[:0]) for i in range(n_packets)]

    def _check_open(self) -> None:
        if self._flushed:
            raise ValueError("the encoder was flushed, which ends its signal: make another one")

    def _frames(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the frames that samples complete."""
        self._check_open()
        x = checked_signal("samples", samples, max_channels=self.channels, dtype=np.float32)
        if x.ndim < self._pending.ndim:
            x = np.repeat(x[:, None], self.channels, axis=1)
        x = np.concatenate([self._pending, x])
        whole = len(x) // self.frame_size * self.frame_size
        self._pending = x[whole:].copy()
        yield from (x[i : i + self.frame_size] for i in range(0, whole, self.frame_size))

    def _packet(self, x: np.ndarray) -> tuple[bytes, ...]:
        """Return the layers of the next packet; x is a frame, or what there is of it where the signal ends."""
        parts = self._parts
        self._state, side, z = parts.signal.analyse(self._state, x, 1)
        pasts = None if self._since_reset >= self._reset_interval else self._pasts
        fitter = Fitter(parts.entropy, pasts, side, z, parts.packer.sizes, self._steps, self._layers - 1)
        if self._mode == "mean":
            fitted = fitter.at(self._budget.point(self._usual_point, operating_points(self._steps)))
            if fitted.n_bytes < self._budget.least_bytes:
                fitted = fitter.within(self._budget.least_bytes)
            self._budget = self._budget.spend(fitted.n_bytes)
        else:
            fitted = fitter.within(self._packet_bytes)
        self._count += 1
        self._since_reset = 1 if pasts is None else self._since_reset + 1
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
        elif self._pasts or packet.resets_context(self._parts.entropy, data):
            self._pasts, n = self._read(data)
            self._last, self._lost = n, 0
        if n is None:
            self._lost += 1
            self._state, y = self._parts.signal.conceal(self._state, self._last, self._lost)
        else:
            self._state, y = self._parts.signal.synthesise(self._state, n)
        return np.clip(y, -1, 1)

    def _read(self, data: bytes) -> tuple[list[packet.Past], packet.Integers]:
        """Read as many layers as the packet has and as are known; no layer consists of zero bytes alone."""
        if len(data) > BUFFER_BYTES:
            raise BitstreamError(f"a packet has {len(data)} bytes, {BUFFER_BYTES} are the most")
        known = self._layers if packet.resets_context(self._parts.entropy, data) else len(self._pasts)
        for layers in range(1, known + 1):
            before = self._pasts[:layers] if len(self._pasts) >= layers else None
            pasts, n, ends = self._parts.reader.read(before, data, 0, 1, 1, layers - 1)
            if not any(data[ends[-1, -1] :]):  # nothing, or padding
                return pasts, n
        if known == self._layers:
            raise BitstreamError(f"a packet has {len(data) - ends[-1, -1]} bytes too many")
        return pasts, n
