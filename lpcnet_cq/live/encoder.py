"""Live encoder: turns samples into packets as soon as they are complete.

Place in the chain: between the signal model and the packets, for signals that are still being recorded. It takes any
number of samples per call and returns the packets that they complete. With `dtx`, it leaves out the packets of pauses,
which are then `b""`. Delay: the look-ahead; `live.coder` describes the alignment.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from numbers import Integral, Real

import numpy as np

from dsp._floating_point import usual_errors
from dsp.signals import checked_signal
from lpcnet_cq.audio.level import LEAST_LIVE, choose_level, level_exponents, scale, start_level, track_level
from lpcnet_cq.bitstream import packet
from lpcnet_cq.bitstream.descriptor import make_descriptor
from lpcnet_cq.bitstream.level import put_level
from lpcnet_cq.bitstream.packet_fit import Fitter, padded
from lpcnet_cq.bitstream.packing import Mode
from lpcnet_cq.bitstream.protection import OFFSETS, CopySelection, Protection, choose_protection, make_copy
from lpcnet_cq.bitstream.rate_control import Budget, operating_points
from lpcnet_cq.live.coder import LiveCoder
from lpcnet_cq.live.pause import PauseDetector, check_pauses
from lpcnet_cq.parts import CodecParts


class Encoder(LiveCoder):
    """Turn samples at the codec's sample rate into packets of `frame_size` samples each.

    A packet is complete when `delay_samples` more samples than its own are known; the first packet therefore begins
    with silence. The packets do not depend on how the signal is divided into calls. If packets have several layers,
    `push_layers` returns the layers separately.

    Parameters
    ----------
    parts : CodecParts
    bitrate_bps : float
        A bitrate that the weights support; `Codec.encoder` checks it.
    layers : int
    mode : str
        "mean": any ten seconds of speech have this bitrate. "capped": no packet is larger than the bytes that the
        bitrate allows per packet, rounded down. "constant": all packets have this size; zero bytes pad smaller ones.
    expected_loss : float
        See the property.
    copy_offset : int
        A lost packet is repaired by the packet so many packets later, 1 to 8.
    dtx : bool
        See the property.
    """

    def __init__(
        self,
        parts: CodecParts,
        bitrate_bps: float,
        layers: int = 1,
        mode: Mode = "mean",
        expected_loss: float = 0.0,
        copy_offset: int = 2,
        dtx: bool = False,
    ):
        super().__init__(parts, layers)
        if isinstance(copy_offset, bool) or not isinstance(copy_offset, Integral) or copy_offset not in OFFSETS:
            raise ValueError(f"`copy_offset` is {copy_offset!r}, it must be a whole number from 1 to {OFFSETS[-1]}")
        spec = self._spec
        self._steps = parts.packer.steps_for(layers)
        self._mode, self._packet_bytes = mode, parts.packet_bytes(bitrate_bps)
        self._bitrate_bps = bitrate_bps
        self._copies = deque([b""] * int(copy_offset), int(copy_offset))  # of the last packets, oldest first
        self._selection = CopySelection(float(self._packet_bytes))
        self._budget = Budget(bitrate_bps * spec.hop / spec.sample_rate_hz)
        self._pasts: list[packet.Past] | None = None
        self._level_loop = parts.level_loop
        self._state = parts.signal.start_encoder(np.zeros(spec.look_ahead, np.float32))
        self._pending = np.zeros((0, self.channels) if self.channels > 1 else 0, np.float32)
        self._count = self._since_reset = 0  # packets
        self._loudness, self._levels = start_level(), (0, 0)  # L of the last packet and of the next one
        self.expected_loss = expected_loss
        self.dtx = dtx
        self._flushed = False

    @property
    def delay_samples(self) -> int:
        """Delay of packets relative to the samples, in samples: the look-ahead."""
        return self._spec.look_ahead

    @property
    def expected_loss(self) -> float:
        """Fraction of packets that the channel loses, 0 to 1. A new value is used from the next packet on.

        The larger it is, the more packets reset the context of the entropy coder, which ends the effect of earlier
        losses and costs bits. If bitrate and expected loss are high enough, packets of one layer and without a
        limit of their size also carry coarse copies of earlier packets, of the largest ones or of all.
        See `protection.choose_protection`.
        """
        return self._expected_loss

    @expected_loss.setter
    def expected_loss(self, fraction: float) -> None:
        if isinstance(fraction, bool) or not isinstance(fraction, Real) or not 0 <= fraction <= 1:
            raise ValueError(f"`expected_loss` is {fraction!r}, it must be a number from 0 to 1")
        self._expected_loss = float(fraction)
        chosen = choose_protection(self._expected_loss, self._bitrate_bps)
        # where sizes are limited, a copy takes its bytes from the packet that carries it: it costs more than it gives
        self.protection = chosen if self._mode == "mean" else replace(chosen, copies=0.0)

    @property
    def protection(self) -> Protection:
        """Protection against losses; it follows from the expected loss, but can be set as well."""
        return self._protection

    @protection.setter
    def protection(self, protection: Protection) -> None:
        self._protection = replace(protection, copies=protection.copies if self._layers == 1 else 0.0)
        self._selection = self._selection.expect(self._protection, self._packet_bytes)
        self._nominal_point = self._parts.packer.step_for_rate(self._protection.packet_bps(self._bitrate_bps))

    @property
    def dtx(self) -> bool:
        """Whether packets of pauses are not sent (discontinuous transmission); it can be changed at any time.

        In a pause, packets are `b""`, except a silence descriptor every 160 ms, see `lpcnet_cq.live.pause`; the decoder
        makes comfort noise. The first packet after a pause resets the context. The bits of pauses are saved and not
        spent later.
        """
        return self._pauses is not None

    @dtx.setter
    def dtx(self, dtx: bool) -> None:
        if not isinstance(dtx, bool):
            raise ValueError(f"`dtx` is {dtx!r}, it must be True or False")
        if dtx:
            check_pauses(self._parts, self._layers, self._mode)
        self._pauses = PauseDetector(self.sample_rate_hz) if dtx else None

    @property
    def copy_offset(self) -> int:
        """Packets from a packet to the one that carries its copy."""
        return len(self._copies)

    def push(self, samples: np.ndarray) -> list[bytes]:
        """Take the next samples of the signal and return the packets that they complete.

        Parameters
        ----------
        samples : array (n,), (n, 1) or (n, channels)
            Any number of samples, also none: floats in [-1, 1], or integers, see `dsp.signals.checked_signal`. A codec
            with two channels codes one channel as two equal channels.

        Returns
        -------
        list of bytes
            One packet for every `frame_size` samples that were pushed, counted over all calls. Empty ones, which only
            pauses with `dtx` have, need not be sent.

        Raises
        ------
        ValueError
            If the shape, type or scale of the samples is wrong, a value is not finite, or the encoder was flushed. The
            state of the encoder then does not change.
        """
        return [b"".join(layers) for layers in self.push_layers(samples)]

    def push_layers(self, samples: np.ndarray) -> list[tuple[bytes, ...]]:
        """Encode samples as `push` does, and return the layers of each packet; the first layers alone are a packet."""
        with usual_errors():
            return [self._packet(frame) for frame in self._frames(samples)]

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
        rest, pushed = self._pending, self._count * self.frame_size + len(self._pending)
        lag = self.delay_samples + self._parts.config.decoder_delay
        n_packets = self._spec.n_frames(pushed + lag) - self._count if pushed else 0
        with usual_errors():
            return [self._packet(rest if i == 0 else rest[:0]) for i in range(n_packets)]

    def _check_open(self) -> None:
        if self._flushed:
            raise ValueError("the encoder was flushed, which ends its signal; create a new encoder")

    def _frames(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the frames that samples complete."""
        self._check_open()
        x = checked_signal("samples", samples, max_channels=self.channels, dtype=np.float32)
        if self.channels > 1:
            x = np.broadcast_to(x if x.ndim == 2 else x[:, None], (len(x), self.channels))
        x = np.concatenate([self._pending, x])
        whole = len(x) // self.frame_size * self.frame_size
        self._pending = x[whole:].copy()
        yield from (x[i : i + self.frame_size] for i in range(0, whole, self.frame_size))

    def _packet(self, x: np.ndarray) -> tuple[bytes, ...]:
        """Return the layers of the next packet; x is a frame, or a part of it, or empty, at the end of the signal."""
        parts, before, level = self._parts, *self._levels
        self._state, side, z = parts.signal.analyse(self._state, self._normalised(x), 1)
        reference = parts.signal.steady(self._state).get(0)
        z = self._level_loop.scaled(z, reference)
        is_due = level != before or self._since_reset >= self._protection.reset_interval
        pasts = None if is_due else self._pasts
        fitter = Fitter(parts.entropy, pasts, side, z, parts.packer.sizes, self._steps, self._layers - 1)
        if self._pauses and (pause := self._pauses.next(np.pad(x, (0, self.frame_size - len(x))), side)):
            return (self._in_pause(fitter, pause.side, level),)
        mark = b"" if pasts else put_level(level)
        rest = mark + self._copies[0]
        self._selection, size = self._selection.spend(len(self._copies[0])), len(rest)
        if self._mode == "mean":
            fitted = fitter.at(self._budget.point(self._nominal_point, operating_points(self._steps)))
            if fitted.n_bytes + size < self._budget.least_bytes:
                fitted = fitter.within(self._budget.least_bytes - size)
            self._budget = self._budget.spend(fitted.n_bytes + len(mark) + self._selection.mean_bytes)
        else:
            fitted = fitter.within(self._packet_bytes - size)
        self._copies.append(b"")
        self._selection, copied = self._selection.select(fitted.n_bytes, self._protection, self._packet_bytes)
        if copied:
            copy = make_copy(replace(fitter, pasts=None), int(fitted.n.step[0]), self._packet_bytes)
            self._copies[-1] = copy and copy + put_level(level)
        self._count += 1
        self._since_reset = 1 if pasts is None else self._since_reset + 1
        self._pasts, self._level_loop = fitted.pasts, self._level_loop.follow(fitted.n, reference)
        layers = (*fitted.packet[:-1], fitted.packet[-1] + rest)
        return padded(layers, self._packet_bytes) if self._mode == "constant" else layers

    def _normalised(self, x: np.ndarray) -> np.ndarray:
        """Return the next samples at the nominal level; the last `look_ahead` of them belong to the next packet.

        The level of the packet after that is chosen from all samples that are known.
        """
        if not self._parts.live_levels(self._layers):
            return x
        self._loudness = track_level(self._loudness, x, self.sample_rate_hz)
        levels = (*self._levels, choose_level(self._loudness.active, self._levels[1], LEAST_LIVE))
        self._levels = levels[1:]
        if not any(levels):
            return x
        exponents = level_exponents(np.array(levels), self.frame_size, self._parts.config.decoder_delay)
        ahead = self.delay_samples
        return scale(x, -exponents[ahead : self.frame_size + ahead][: len(x)])

    def _in_pause(self, fitter: Fitter, side: np.ndarray | None, level: int) -> bytes:
        """Return a silence descriptor with this side information, or nothing; the next packet resets the context."""
        self._pasts, self._level_loop, self._count = None, self._parts.level_loop, self._count + 1
        self._copies.append(b"")
        if side is None:
            return b""
        most_bytes = None if self._mode == "mean" else self._packet_bytes
        return make_descriptor(replace(fitter, side=side), level, most_bytes)
