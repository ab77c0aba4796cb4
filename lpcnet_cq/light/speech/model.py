"""Encoder and decoder of speech in NumPy: the functions of `lpcnet_cq.speech.model`, as methods, without a batch.

Place in the chain: from the LPC analysis to the integers of a packet, and from these integers to speech. The envelope
path (LSFs, filters, recursions) computes in double precision, networks and transforms in single precision. States are
not changed; every method returns the next one.

Letters: T packets, S subframes per packet, N samples, M order, D latents, K = M + S side integers.
"""

from typing import Any, NamedTuple

import numpy as np

from lpcnet_cq.light.noise import uniform_noise
from lpcnet_cq.light.quantize import TransformQuantiser, latent_steps
from lpcnet_cq.light.speech.allocation import Allocation, AllocationState
from lpcnet_cq.light.speech.concealment import Concealment, ConcealmentState, PacketLoss
from lpcnet_cq.light.speech.envelope import Envelope
from lpcnet_cq.light.speech.filters import residual, synthesise
from lpcnet_cq.light.speech.formant_postfilter import FormantPostfilter, FormantState
from lpcnet_cq.light.speech.lapped import Lapped
from lpcnet_cq.light.speech.postfilter import LongTermPostfilter, PostfilterState
from lpcnet_cq.light.speech.residual_coder import Decoder, Encoder, conditions
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import GAIN_FLOOR, GAIN_UNIT, LOG_GAINS, LSF_UNIT, START_LEVEL


class EncoderState(NamedTuple):
    """Hold the encoder's state between packets.

    Attributes
    ----------
    lsf : float64 array (M,)
        Decoded LSFs of the last packet.
    x : float64 array (M+1,)
        Last samples.
    gain : float64 array (2,)
        Log gains of the last two subframes.
    allocation : AllocationState
    energy : float
        Mean square of the last packet of advanced speech.
    lapped : float32 array (D,)
        Last subframe of the normalised residual.
    net : dict
    """

    lsf: np.ndarray
    x: np.ndarray
    gain: np.ndarray
    allocation: AllocationState
    energy: float
    lapped: np.ndarray
    net: dict


class DecoderState(NamedTuple):
    """Hold the decoder's state between packets.

    Attributes
    ----------
    lsf, gain, allocation
        As in `EncoderState`.
    lapped : float32 array (D,)
        Last latents divided by their scales.
    a : float64 array (1, M+2)
        Last filter: speech is synthesised one subframe later.
    y : float64 array (M+1,)
        Last samples before the postfilters.
    net : dict
    postfilter : PostfilterState
    position : int
        Number of steps of the fine network rate since the start, modulo 2^32.
    formant : FormantState or None
    concealment : ConcealmentState or None
        Both are None for weights without concealment.
    """

    lsf: np.ndarray
    gain: np.ndarray
    allocation: AllocationState
    lapped: np.ndarray
    a: np.ndarray
    y: np.ndarray
    net: dict
    postfilter: PostfilterState
    position: int
    formant: FormantState | None
    concealment: ConcealmentState | None


class Model:
    """Hold all trained parts; `floats` are the nested parameters of a weights file."""

    def __init__(self, floats: dict, c: SpeechConfig):
        spec = c.spec
        self.config = c
        self.lsf = TransformQuantiser(floats["lsf"], LSF_UNIT)
        self.gain = TransformQuantiser(floats["gain"], GAIN_UNIT)
        self.envelope = Envelope(c)
        self.lapped = Lapped(floats["lapped"])
        self.allocation = Allocation(floats["allocation"], spec.n_subframes)
        self.encoder = Encoder(floats["encoder"], c)
        self.decoder = Decoder(floats["decoder"], c)
        self.postfilter = LongTermPostfilter(floats["postfilter"], spec.subframe, spec.sample_rate_hz)
        self.formant = FormantPostfilter(c) if c.concealment else None
        self.concealment: Any = Concealment(floats["concealment"], c, self.lsf.mean) if c.concealment else None
        self.log_scale = np.asarray(floats["log_scale"], np.float64)
        self.steps = latent_steps(c.n_steps, c.step_ratio)

    def start_encoder(self) -> EncoderState:
        """Return the encoder's state before the first packet."""
        return EncoderState(
            lsf=self.lsf.mean,
            x=np.zeros(self.config.order + 1),
            gain=np.full(2, START_LEVEL),
            allocation=self.allocation.start(),
            energy=0.0,
            lapped=np.zeros(self.config.n_latents, np.float32),
            net=self.encoder.start(),
        )

    def start_decoder(self) -> DecoderState:
        """Return the decoder's state before the first packet."""
        M = self.config.order
        return DecoderState(
            lsf=self.lsf.mean,
            gain=np.full(2, START_LEVEL),
            allocation=self.allocation.start(),
            lapped=np.zeros(self.config.n_latents, np.float32),
            a=np.eye(1, M + 2),
            y=np.zeros(M + 1),
            net=self.decoder.start(),
            postfilter=self.postfilter.start(),
            position=0,
            formant=self.formant.start() if self.formant else None,
            concealment=self.concealment.start() if self.concealment else None,
        )

    def encode(
        self, state: EncoderState, x: np.ndarray, lsf: np.ndarray
    ) -> tuple[EncoderState, np.ndarray, np.ndarray]:
        """Encode packets: `encode_side` and `encode_latents` of the training model.

        Parameters
        ----------
        state : EncoderState
        x : array (N + look_ahead,)
            Speech of T packets and the samples behind them.
        lsf : array (T, M)
            Unquantised LSFs.

        Returns
        -------
        state : EncoderState
        side : float64 array (T, K)
            LSF and gain integers.
        z : float32 array (T*S, D)
            Latents in units of the middle step size, before division by the packet's step size and rounding.
        """
        spec = self.config.spec
        T, S, L = len(lsf), spec.n_subframes, spec.subframe
        n_lsf = self.lsf.quantise(lsf)
        lsf_hat, sub, a, shape = self.envelope(state.lsf, self.lsf.synthesise(n_lsf))
        x_state, e = residual(state.x, x[: T * spec.hop], a)
        e = e.reshape(-1, L)
        level = 0.5 * np.log(np.vecdot(e, e) / L + GAIN_FLOOR)
        n_gain = self.gain.quantise(level.reshape(T, S))
        g = self.gain.synthesise(n_gain).reshape(-1)
        cond = conditions(sub, self.lsf.mean, g, state.gain)
        allocation, factor = self.allocation(state.allocation, cond, g)
        e = (e * np.exp(-g)[:, None]).astype(np.float32)
        ahead = x[-T * spec.hop :].reshape(T, spec.hop)
        energy = np.einsum("tn,tn->t", ahead, ahead, dtype=np.float64) / spec.hop
        before = np.concatenate([[state.energy], energy[:-1]])
        level = 1 / np.sqrt(0.5 * (energy + before) + GAIN_FLOOR)
        net, z = self.encoder(state.net, e, ahead * level[:, None].astype(np.float32), cond)
        z += self.lapped.analyse(state.lapped, e)
        z *= np.exp(self.log_scale + shape + factor).astype(np.float32)
        gain = np.concatenate([state.gain, g])[-2:]
        after = EncoderState(lsf_hat[-1].copy(), x_state, gain, allocation, float(energy[-1]), e[-1].copy(), net)
        return after, np.concatenate([n_lsf, n_gain], axis=1), z

    def decode(
        self,
        state: DecoderState,
        side: np.ndarray,
        n_latents: np.ndarray,
        step: np.ndarray,
        loss: PacketLoss | None = None,
    ) -> tuple[DecoderState, np.ndarray]:
        """Decode the integers of packets to speech, with a delay of one subframe.

        Parameters
        ----------
        state : DecoderState
        side : array (T, K)
            LSF and gain integers.
        n_latents : array (T*S, D)
        step : integer array (T,)
            Index of the latent step size.
        loss : PacketLoss, optional
            Whether the packet (T = 1) is lost, and by what it is replaced; given for every packet of a live stream of
            weights with concealment, else None.

        Returns
        -------
        state : DecoderState
        y : float32 array (N,)
            Speech; y[n] corresponds to the encoder's input x[n - subframe].
        """
        c, position = self.config, state.position
        S, F = c.spec.n_subframes, c.spec.subframe // c.step
        concealed, lsf, g = self._decode_side(state.concealment, side, loss)
        lsf_hat, sub, a, shape = self.envelope(state.lsf, lsf)
        size = np.repeat(self.steps[step], S)[:, None]
        cond = conditions(sub, self.lsf.mean, g, state.gain)
        allocation, factor = self.allocation(state.allocation, cond, g)
        scale = np.exp(self.log_scale + shape + factor).astype(np.float32)
        cond = np.concatenate([cond, np.log(size)], axis=1)
        latents = filled = n_latents * size
        if c.concealment:
            latents, filled, cond = self.concealment.conceal_latents(self.lapped, loss, latents, cond, scale, position)
        noise = uniform_noise(position, len(g) * F, c.noise)
        net, e = self.decoder(state.net, latents, cond, noise)
        filled /= scale
        e += self.lapped.synthesise(state.lapped, filled).reshape(-1)
        gains, filters = np.concatenate([state.gain, g]), np.concatenate([state.a, a])
        excitation = e.reshape(len(g), -1) * np.exp(gains[1:-1])[:, None]
        y_state, y = synthesise(state.y, excitation.reshape(-1), filters[:-1])
        postfilter, y = self.postfilter(state.postfilter, y, cond)
        formant = state.formant
        if self.formant and formant and loss:
            formant, y = self.formant(formant, y, filters[:-1], int(step[0]), loss.lost)
        after = DecoderState(
            lsf=lsf_hat[-1].copy(),
            gain=gains[-2:].copy(),
            allocation=allocation,
            lapped=filled[-1].copy(),
            a=filters[-1:].copy(),
            y=y_state,
            net=net,
            postfilter=postfilter,
            position=(position + len(g) * F) % 2**32,
            formant=formant,
            concealment=self.concealment.update_history(concealed, loss, e) if loss else concealed,
        )
        return after, y

    def _decode_side(self, concealed, side, loss):
        """Return the state of the concealment, LSFs (T, M), not ordered, and log gains (T*S,)."""
        M = self.config.order
        lsf, g = self.lsf.synthesise(side[:, :M]), self.gain.synthesise(side[:, M:]).clip(*LOG_GAINS)
        if loss:
            concealed, lsf, g = self.concealment.conceal_side(concealed, lsf, g, loss)
        return concealed, lsf, g.reshape(-1)
