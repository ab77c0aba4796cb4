"""Live coding: the encoder turns each frame into a packet, the decoder turns each packet into a frame.

Place in the chain: replaces `files` for signals that are still being recorded. Every call of the encoder takes
`frame_size` samples and returns one packet. Every call of the decoder takes one packet and returns `frame_size`
samples. Both objects keep their state between calls. Delay: `codec.delay_ms`, which includes one frame: 20 ms for
speech, 23 ms for music.

Alignment: the decoded frames are delayed by `encoder.delay_samples + decoder.delay_samples` relative to the input.
Remove this number of samples at the beginning to align them with the input. After `flush`, the aligned output is at
least as long as the input.
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

RESET_INTERVAL = 25  # packets between two context resets: after a loss, decoding recovers within as many packets


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
        """Sample rate of the frames in Hz."""
        return self._spec.sample_rate_hz

    @property
    def channels(self) -> int:
        """Channels of a frame: its shape is (frame_size,) for 1 channel, else (frame_size, channels)."""
        return self._parts.config.channels


class Encoder(_Live):
    """Turn frames of samples at the codec's sample rate into packets.

    A packet is delayed by `delay_samples` relative to the frame of the same call. The first packet therefore begins
    with silence. If packets have several layers, `push_layers` returns the layers separately.

    Parameters
    ----------
    parts : CodecParts
    bitrate_bps : float
        A bitrate that the weights support; `Codec.encoder` checks it.
    layers : int
    mode : str
        "mean": any ten seconds of speech have this bitrate. "capped": no packet is larger than the bytes that the
        bitrate allows per packet, rounded down. "constant": all packets have this size; zero bytes pad smaller ones.
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
        self._reset_interval = self._since_reset = RESET_INTERVAL  # packets: the first one resets the context
        self._flushed = False

    @property
    def delay_samples(self) -> int:
        """Delay of packets relative to frames, in samples: the look-ahead."""
        return self._spec.look_ahead

    def push(self, frame: np.ndarray) -> bytes:
        """Take one frame and return a packet.

        Parameters
        ----------
        frame : array (frame_size,) or (frame_size, channels)
            Floats in [-1, 1], or integers, see `dsp.signals.checked_signal`. A codec with two channels codes a frame of
            one channel as two equal channels.

        Raises
        ------
        ValueError
            If the shape, type or scale of the frame is wrong, a value is not finite, or the encoder was flushed.
        """
        return b"".join(self.push_layers(frame))

    def push_layers(self, frame: np.ndarray) -> tuple[bytes, ...]:
        """Encode a frame as `push` does, and return the layers of the packet; the first layers alone are a packet."""
        return self._packet(self._checked(frame))

    def flush(self) -> list[bytes]:
        """End the signal and return its remaining packets, so that all samples that were pushed are coded.

        Raises
        ------
        ValueError
            If the encoder was flushed before.
        """
        return [b"".join(layers) for layers in self.flush_layers()]

    def flush_layers(self) -> list[tuple[bytes, ...]]:
        """End the signal as `flush` does, and return the layers of its remaining packets."""
        self._check_open()
        self._flushed = True
        silence = np.zeros(0, np.float32)
        lag = self.delay_samples + self._parts.config.decoder_delay
        return [self._packet(silence) for _ in range(self._spec.n_frames(lag) if self._count else 0)]

    def _check_open(self) -> None:
        if self._flushed:
            raise ValueError("the encoder was flushed, which ends its signal; create a new encoder")

    def _checked(self, frame: np.ndarray) -> np.ndarray:
        self._check_open()
        return checked_signal("frame", frame, max_channels=self.channels, length=self.frame_size, dtype=np.float32)

    def _packet(self, x: np.ndarray) -> tuple[bytes, ...]:
        """Return the layers of the next packet; x is a frame, or empty after the end of the signal."""
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
    """Turn packets into frames of samples at the codec's sample rate.

    Parameters
    ----------
    parts : CodecParts
    layers : int
        Maximum number of layers of a packet.
    """

    def __init__(self, parts: CodecParts, layers: int = 1):
        super().__init__(parts, layers)
        self._pasts: list[packet.Past] = []  # of the layers that are known, coarsest first
        self._state = parts.signal.start_decoder()
        self._last: packet.Integers | None = None
        self._lost = 0

    @property
    def delay_samples(self) -> int:
        """Delay of frames relative to packets, in samples."""
        return self._parts.config.decoder_delay

    def push(self, data: bytes | None) -> np.ndarray:
        """Take a packet, or None for a lost one, and return a frame.

        A lost packet is replaced by concealment (`SignalModel.conceal`). The packets after it need its context;
        they are concealed too, up to the next context reset. The last layers of a packet may be missing. A layer that
        was missing once is decoded again from the next context reset on.

        Returns
        -------
        float32 array (frame_size,) or (frame_size, channels)
            In [-1, 1].

        Raises
        ------
        BitstreamError
            If the packet is damaged; the state of the decoder does not change.
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
        """Read all layers of a packet whose context is known; no layer consists of zero bytes only."""
        if len(data) > BUFFER_BYTES:
            raise BitstreamError(f"a packet has {len(data)} bytes, at most {BUFFER_BYTES} are allowed")
        known = self._layers if packet.resets_context(self._parts.entropy, data) else len(self._pasts)
        for layers in range(1, known + 1):
            before = self._pasts[:layers] if len(self._pasts) >= layers else None
            pasts, n, ends = self._parts.reader.read(before, data, 0, 1, 1, layers - 1)
            if not any(data[ends[-1, -1] :]):  # nothing, or padding
                return pasts, n
        if known == self._layers:
            raise BitstreamError(f"a packet has {len(data) - ends[-1, -1]} bytes after its last layer")
        return pasts, n
