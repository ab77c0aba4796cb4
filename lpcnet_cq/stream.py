"""Live coding: one packet in, one packet out, with the state held between calls.

Place in the chain: `codec` for signals that are still being spoken. The encoder takes 20 ms at a time and answers
with the packet of 20 ms that its look-ahead has just completed; the decoder answers every packet with 20 ms of
speech. Delay: `codec.delay_ms`, of which the packet itself is 20 ms.
"""

import numpy as np

from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.rate_control import Budget, fit_packet
from lpcnet_cq.bitstream.rdoq import rdoq
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.nn.packet_reader import BUFFER_BYTES
from lpcnet_cq.speech.analysis import analyse_windows
from lpcnet_cq.speech.highpass import highpass, start_highpass

RESET_INTERVAL = 25  # packets: after a loss, speech is back within half a second
FADE = 0.7  # neper per concealed packet: 6 dB, silence after about ten


class Encoder:
    """Turn frames of `hop` samples at the codec's rate into packets.

    The packet returned by a call is that of the samples up to `look_ahead` samples ago; the very first calls give
    the packets that begin with the silence before the signal. With several layers `push_layers` returns them apart.
    """

    def __init__(self, codec, bitrate_bps: float, layers: int = 1, cbr: bool = False):
        spec = codec.config.spec
        self.codec, self.spec = codec, spec
        self.layers, self.steps = layers, codec.packer.steps_for(layers)
        self.cap_bytes = codec.cap_bytes(bitrate_bps) if cbr else 0
        self.mean_step = codec.packer.step_for_rate(bitrate_bps)
        self.pasts: list[packet.Past] | None = None
        self.state = codec.network.start_encoder()
        self.count = 0
        self.highpass_state = start_highpass()
        self.input_buffer = np.zeros(max(spec.window + 1, spec.delay), np.float32)
        self.budget = Budget(bitrate_bps * spec.hop / spec.sample_rate_hz)

    def push(self, frame: np.ndarray) -> bytes:
        """Take `hop` samples, shape (hop,), in [-1, 1], and return a packet.

        Raises
        ------
        ValueError
            If the frame has another shape or values that are not finite.
        """
        return b"".join(self.push_layers(frame))

    def push_layers(self, frame: np.ndarray) -> tuple[bytes, ...]:
        """Do as `push` does, and return the packet's layers: any number of the first ones is a packet.

        Raises
        ------
        ValueError
            If the frame has another shape or values that are not finite.
        """
        frame = np.asarray(frame, np.float32)
        if frame.shape != (self.spec.hop,) or not np.isfinite(frame).all():
            raise ValueError(f"`frame` has shape {frame.shape}, it must be ({self.spec.hop},) finite samples")
        self.highpass_state, frame = highpass(self.highpass_state, frame, self.spec.sample_rate_hz)
        self.input_buffer = np.concatenate([self.input_buffer[self.spec.hop :], frame])
        lsf = analyse_windows(self.input_buffer[-self.spec.window - 1 :], self.spec, self.codec.config.order)
        x = self.input_buffer[-self.spec.delay :]
        self.state, side, z = self.codec.network.encode(self.state, x, lsf[None])
        pasts = None if self.count % RESET_INTERVAL == 0 else self.pasts
        model, sizes, L = self.codec.entropy, self.codec.packer.sizes, self.layers - 1
        if self.cap_bytes:
            self.pasts, data, _ = fit_packet(model, pasts, side, z, sizes, self.cap_bytes, self.steps, L)
        else:
            step = np.array([self.budget.step(self.mean_step, self.steps)])
            before = pasts[-1] if pasts else packet.start(model)
            n = rdoq(model, before, side, z, step, sizes)
            self.pasts, (data,) = packet.put_layers(model, pasts, n, L)
        self.count += 1
        self.budget = self.budget.spend(sum(map(len, data)))
        return data


class Decoder:
    """Turn packets of at most so many layers into frames of `hop` samples at the codec's rate."""

    def __init__(self, codec, layers: int = 1):
        self.codec, self.spec, self.layers = codec, codec.config.spec, layers
        self.pasts: list[packet.Past] = []  # of the layers that are known, coarsest first
        self.state = codec.network.start_decoder()
        self.last: packet.Integers | None = None
        self.lost = 0

    def push(self, data: bytes | None) -> np.ndarray:
        """Take a packet, or None for a lost one, and return `hop` samples, float32 in [-1, 1].

        A lost packet is concealed by the envelope and the falling level of the last one; so are the packets behind
        it, which need its context, up to the next context reset. Layers may be missing from a packet's end; a
        layer that was missing is of use again from the next context reset on.

        Raises
        ------
        BitstreamError
            If the packet is damaged; the decoder stays as it was.
        """
        n = None
        if data is None:
            self.pasts = []
        elif self.pasts or packet.resets_context(data):
            self.pasts, n = self._read(data)
            self.last, self.lost = n, 0
        self.state, y = self.codec.network.decode(self.state, n or self._conceal(), 1)
        return np.clip(y, -1, 1)

    def _read(self, data: bytes) -> tuple[list[packet.Past], packet.Integers]:
        """Read as many layers as the packet has and as are known."""
        if len(data) > BUFFER_BYTES:
            raise BitstreamError(f"a packet has {len(data)} bytes, {BUFFER_BYTES} are the most")
        known = self.layers if packet.resets_context(data) else len(self.pasts)
        for layers in range(1, known + 1):
            before = self.pasts[:layers] if len(self.pasts) >= layers else None
            pasts, n, ends = self.codec.reader.read(before, data, 0, 1, 1, layers - 1)
            if ends[-1, -1] == len(data):
                return pasts, n
        if known == self.layers:
            raise BitstreamError(f"a packet has {len(data) - ends[-1, -1]} bytes too many")
        return pasts, n

    def _conceal(self) -> packet.Integers:
        """Repeat the last packet's envelope and latents with a falling gain."""
        c = self.codec
        if self.last is None:
            return packet.Integers(
                np.array([c.config.nominal_step]),
                np.zeros((1, c.entropy.K), np.int64),
                np.zeros((1, c.entropy.S, c.entropy.D), np.int64),
            )
        self.lost += 1
        M = c.config.order
        gain = self.last.side[:, M:] + c.network.gain_coordinates(-FADE * self.lost)
        side = np.concatenate([self.last.side[:, :M], np.rint(gain).astype(np.int64)], axis=1)
        return packet.Integers(self.last.step, side, self.last.latents if self.lost < 3 else 0 * self.last.latents)
