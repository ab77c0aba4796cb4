"""Collaborative Quantization: envelope quantiser and residual coder in one differentiable model.

Place in the chain: from the LPC analysis to the integers of a packet, and from these integers to speech. `encode_side`,
`encode_latents` and `decode` take a state and return the next one, so that single packets, chunks and whole signals run
the same code. Training calls these three functions in sequence.

Letters: B batch, T packets, S subframes per packet, N samples, M order, D latents, K = M + S side integers.
"""

from contextlib import nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.nn.noise import uniform_noise
from lpcnet_cq.nn.quantize import TransformQuantiser, latent_steps, soft_to_hard
from lpcnet_cq.speech.allocation import Allocation
from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.concealment import Concealment, PacketLoss, no_loss, update_history
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import GAIN_FLOOR, GAIN_UNIT, LOG_GAINS, LSF_UNIT, START_LEVEL
from lpcnet_cq.speech.entropy import EntropyModel
from lpcnet_cq.speech.envelope import interpolate_lsf, lsf_to_lpc, order_lsf
from lpcnet_cq.speech.filters import residual, synthesise
from lpcnet_cq.speech.formant_postfilter import formant_postfilter
from lpcnet_cq.speech.formant_postfilter import start as start_formant_postfilter
from lpcnet_cq.speech.lapped import Lapped, noise_shape
from lpcnet_cq.speech.postfilter import LongTermPostfilter
from lpcnet_cq.speech.residual_coder import Decoder, Encoder, condition_size, conditions, decoder_condition_size

LSF_STEP, GAIN_STEP = 0.06, 0.5  # initial steps of the quantisers: rad, natural log
STEP = 2.0  # initial step size of the latents at the middle index, in standard deviations of the excitation


class Model(nnx.Module):
    """Hold all trained parts: quantisers, transform, networks, bit allocation, postfilter, entropy model.

    Parameters
    ----------
    c : SpeechConfig
    rngs : nnx.Rngs
    lsf_mean, lsf_axes : array (M,), array (M, M), optional
        Initial quantiser of the LSFs.
    wide : bool
        Compute filters and their recursions in double precision, as streams need: A(z) is small at a resonance, so that
        1/A(z) and the scales of the latents amplify rounding errors 10^4 times. Training does without, for its
        gradients.
    """

    def __init__(self, c: SpeechConfig, *, rngs: nnx.Rngs, lsf_mean=None, lsf_axes=None, wide: bool = False):
        M, S = c.order, c.spec.n_subframes
        mean = jnp.linspace(0, jnp.pi, M + 2)[1:-1] if lsf_mean is None else lsf_mean
        axes = jnp.eye(M) if lsf_axes is None else lsf_axes
        k = jnp.arange(S, dtype=jnp.float32)
        dct = jnp.cos(jnp.pi / S * (k[:, None] + 0.5) * k[None]) * jnp.where(k == 0, 1.0, 2**0.5) / S**0.5
        self.lsf = TransformQuantiser(mean, LSF_STEP * axes, LSF_UNIT)
        self.gain = TransformQuantiser(jnp.full(S, -6.0), GAIN_STEP * dct, GAIN_UNIT)
        self.lapped = Lapped(c.n_latents)
        self.allocation = Allocation(condition_size(c), S, c.n_latents, rngs=rngs)
        self.encoder = Encoder(c, rngs=rngs)
        self.decoder = Decoder(c, rngs=rngs)
        self.entropy = EntropyModel(c, rngs=rngs)
        if c.concealment:
            self.concealment = Concealment(c, condition_size(c) + 1, rngs=rngs)
        n_conditions, spec = decoder_condition_size(c), c.spec
        self.postfilter = LongTermPostfilter(n_conditions, spec.subframe, spec.sample_rate_hz, rngs=rngs)
        self.log_scale = nnx.Param(jnp.full(c.n_latents, -np.log(STEP), jnp.float32))
        self.config, self.wide = c, wide


def start_encoder(model: Model, B: int) -> dict:
    """Return the encoder's state before the first packet."""
    M, c = model.config.order, model.config
    return {
        "lsf": jnp.broadcast_to(model.lsf.mean[...], (B, M)),
        "x": jnp.zeros((B, M + 1)),
        "gain": jnp.full((B, 2), START_LEVEL, jnp.float32),
        "allocation": model.allocation.start(B),
        "energy": jnp.zeros((B, 1)),
        "lapped": jnp.zeros((B, c.n_latents)),
        "net": model.encoder.start(B),
        "side": jnp.zeros((B, 2, M + c.spec.n_subframes)),
        "latents": jnp.zeros((B, c.context, c.n_latents)),
    }


def start_decoder(model: Model, B: int) -> dict:
    """Return the decoder's state before the first packet."""
    M = model.config.order
    parts = {}
    if model.config.concealment:
        parts |= {"concealment": model.concealment.start(B, model.lsf.mean[...], model.config.nominal_step)}
        parts |= {"formant": start_formant_postfilter(B)}
    if model.wide:  # what float32 numbers lack to double precision
        parts |= {"a_rest": jnp.zeros((B, 1, M + 2)), "y_rest": jnp.zeros((B, M + 1))}
    return parts | {
        "lsf": jnp.broadcast_to(model.lsf.mean[...], (B, M)),
        "gain": jnp.full((B, 2), START_LEVEL, jnp.float32),
        "allocation": model.allocation.start(B),
        "lapped": jnp.zeros((B, model.config.n_latents)),
        "a": jnp.zeros((B, 1, M + 2)).at[..., 0].set(1.0),
        "y": jnp.zeros((B, M + 1)),
        "net": model.decoder.start(B),
        "postfilter": model.postfilter.start(B),
        "position": jnp.zeros((), jnp.uint32),
    }


def _double(model: Model) -> Any:
    """Return the context in which filters are computed: with 64-bit types if the model is wide."""
    return jax.enable_x64(True) if model.wide else nullcontext()


def _cast(model: Model, dtype: str, *arrays: jax.Array) -> tuple[jax.Array, ...]:
    """Return arrays of another precision if the model is wide; else the arrays."""
    return tuple(v.astype(dtype) for v in arrays) if model.wide else arrays


def decode_envelope(model: Model, before: jax.Array, lsf: jax.Array):
    """Return LSFs of packets (B, T, M) and subframes (B, T*S, M), filters (B, T*S, M+2), scales of latents (B, T*S, D).

    The filters A(z) (1 - mu z^-1) include the pre-emphasis; their input is speech without pre-emphasis. They are in
    double precision if the model is wide.
    """
    with _double(model):
        before, lsf = _cast(model, "float64", before, lsf)
        lsf = order_lsf(lsf)
        sub = interpolate_lsf(before, lsf, model.config.spec)
        a = lsf_to_lpc(sub)
        full = jnp.pad(a, ((0, 0), (0, 0), (0, 1))) - PREEMPHASIS * jnp.pad(a, ((0, 0), (0, 0), (1, 0)))
        lsf, sub, shape = _cast(model, "float32", lsf, sub, noise_shape(a, model.config.n_latents))
    return lsf, sub, full, jnp.exp(model.log_scale[...] + shape)


def _residual(model: Model, x_state: jax.Array, x: jax.Array, a: jax.Array) -> tuple[jax.Array, ...]:
    """Return the last samples, and the residual of speech, computed in the precision of the filters."""
    with _double(model):
        return _cast(model, "float32", *residual(*_cast(model, "float64", x_state, x, a)))


def synthesise_speech(model: Model, state: dict, e: jax.Array, a: jax.Array) -> tuple[dict, jax.Array]:
    """Return the parts of the decoder's state that belong to the filter, and speech, one subframe later."""
    with _double(model):
        before, y_state, e = _cast(model, "float64", state["a"], state["y"], e)
        if model.wide:
            before, y_state = (v + state[k].astype(v.dtype) for k, v in (("a_rest", before), ("y_rest", y_state)))
        filters = jnp.concatenate([before, a], axis=1)
        y_state, y = synthesise(y_state, e, filters[:, :-1])
        after = {"a": filters[:, -1:], "y": y_state}
        if model.wide:
            rest = {f"{k}_rest": v - v.astype("float32").astype(v.dtype) for k, v in after.items()}
            after = {k: v.astype("float32") for k, v in (after | rest).items()}
        (y,) = _cast(model, "float32", y)
    return after, y


def encode_side(model: Model, state: dict, x: jax.Array, lsf: jax.Array, hardness: jax.Array | float):
    """Quantise envelope and gains of packets.

    Parameters
    ----------
    model : Model
    state : dict
    x : array (B, N)
        Speech of T packets.
    lsf : array (B, T, M)
        Unquantised LSFs.
    hardness : scalar
        0: no rounding; 1: rounding.

    Returns
    -------
    state : dict
    side : dict
        Integers `lsf` (B, T, M) and `gain` (B, T, S); `e` (B, N), the residual of the decoded envelope divided by the
        decoded gain; `scale` (B, T*S, D), the scales of the latents; `cond` (B, T*S, M+3), the conditions of the
        networks.
    """
    B, T, _ = lsf.shape
    S, L = model.config.spec.n_subframes, model.config.spec.subframe
    n_lsf = soft_to_hard(model.lsf.analyse(lsf), hardness)
    lsf_hat, sub, a, scale = decode_envelope(model, state["lsf"], model.lsf.synthesise(n_lsf))
    x_state, e = _residual(model, state["x"], x, a)
    level = 0.5 * jnp.log(jnp.mean(e.reshape(B, T, S, L) ** 2, axis=-1) + GAIN_FLOOR)
    n_gain = soft_to_hard(model.gain.analyse(level), hardness)
    g = model.gain.synthesise(n_gain).reshape(B, T * S)
    cond = conditions(sub, model.lsf.mean[...], g, state["gain"])
    allocation, factor = model.allocation(state["allocation"], cond, g)
    side = {
        "lsf": n_lsf,
        "gain": n_gain,
        "e": e * jnp.repeat(jnp.exp(-g), L, axis=1),
        "scale": scale * jnp.exp(factor),
        "cond": cond,
    }
    gain_state = jnp.concatenate([state["gain"], g], axis=1)[:, -2:]
    return state | {"lsf": lsf_hat[:, -1], "x": x_state, "gain": gain_state, "allocation": allocation}, side


def encode_latents(model: Model, state: dict, side: dict, x_ahead: jax.Array):
    """Run the residual encoder.

    Parameters
    ----------
    model : Model
    state : dict
    side : dict
        From `encode_side`.
    x_ahead : array (B, N)
        Speech that is advanced by `look_ahead` samples relative to the packets.

    Returns
    -------
    state : dict
    z : array (B, T*S, D)
        Latents in units of the middle step size, before division by the packet's step size and rounding.
    """
    B = x_ahead.shape[0]
    hop = model.config.spec.hop
    energy = jnp.mean(x_ahead.reshape(B, -1, hop) ** 2, axis=-1)
    before = jnp.concatenate([state["energy"], energy[:, :-1]], axis=1)
    level = jnp.repeat(jax.lax.rsqrt(0.5 * (energy + before) + GAIN_FLOOR), hop, axis=1)
    net, z = model.encoder(state["net"], side["e"], x_ahead * level, side["cond"])
    e = side["e"].reshape(B, -1, model.config.spec.subframe)
    z = side["scale"] * (model.lapped.analyse(state["lapped"], e) + z)
    return state | {"net": net, "energy": energy[:, -1:], "lapped": e[:, -1]}, z


def decode(model: Model, state: dict, n_lsf, n_gain, n_latents, step: jax.Array, loss: PacketLoss | None = None):
    """Return the next state and speech: the first two results of `decode_with_excitation`."""
    return decode_with_excitation(model, state, n_lsf, n_gain, n_latents, step, loss)[:2]


def decode_with_excitation(
    model: Model, state: dict, n_lsf, n_gain, n_latents, step: jax.Array, loss: PacketLoss | None = None
):
    """Decode the integers of packets to speech, with a delay of one subframe.

    Parameters
    ----------
    model : Model
    state : dict
    n_lsf : array (B, T, M)
    n_gain : array (B, T, S)
    n_latents : array (B, T*S, D)
    step : integer array (B, T)
        Index of the latent step size.
    loss : PacketLoss, optional
        Which packets are lost; by default none.

    Returns
    -------
    state : dict
    y : array (B, N)
        Speech; y[n] corresponds to the encoder's input x[n - subframe].
    e : array (B, N)
        Excitation divided by its gain.
    """
    c = model.config
    B, T, _ = n_lsf.shape
    S, F = c.spec.n_subframes, c.spec.subframe // c.step
    concealed: Any = state.get("concealment")
    packet_loss = no_loss(c, B, T) if loss is None else loss
    lsf, g = model.lsf.synthesise(n_lsf), model.gain.synthesise(n_gain).clip(*LOG_GAINS)
    if loss is not None:
        concealed, lsf, g = model.concealment.conceal_side(concealed, lsf, g, loss, model.lsf.mean[...])
    lsf_hat, sub, a, scale = decode_envelope(model, state["lsf"], lsf)
    g = g.reshape(B, T * S)
    size = jnp.repeat(latent_steps(c.n_steps, c.step_ratio)[step], S, axis=1)[..., None]
    cond = conditions(sub, model.lsf.mean[...], g, state["gain"])
    allocation, factor = model.allocation(state["allocation"], cond, g)
    latents, noise_fill, scale = n_latents * size, 0.0, scale * jnp.exp(factor)
    cond = jnp.concatenate([cond, jnp.log(size)], axis=-1)
    if c.concealment:
        latents, noise_fill, cond = conceal_latents(model, packet_loss, latents, cond, scale, state["position"])
    noise = uniform_noise(state["position"], T * S * F, c.noise)
    net, e = model.decoder(state["net"], latents, cond, noise)
    latents = (latents + noise_fill) / scale
    normalised = e + model.lapped.synthesise(state["lapped"], latents).reshape(B, -1)
    gains = jnp.concatenate([state["gain"], g], axis=1)
    e = normalised * jnp.repeat(jnp.exp(gains[:, 1:-1]), c.spec.subframe, axis=1)
    filter_state, y = synthesise_speech(model, state, e, a)
    postfilter, y = model.postfilter(state["postfilter"], y, cond)
    if c.concealment:
        filter_state["formant"], y = _filter_formants(model, state, y, a, step, packet_loss.lost)
    after = filter_state | {
        "lsf": lsf_hat[:, -1],
        "gain": gains[:, -2:],
        "allocation": allocation,
        "lapped": latents[:, -1],
        "net": net,
        "postfilter": postfilter,
        "position": state["position"] + jnp.uint32(T * S * F),
    }
    if c.concealment:
        after["concealment"] = update_history(concealed, packet_loss, normalised) if T == 1 else concealed
    return after, y, normalised


def _filter_formants(model: Model, state: dict, y: jax.Array, a: jax.Array, step: jax.Array, lost: jax.Array):
    """Return state and output of the formant postfilter for single packets, those of live streams; else no change."""
    if step.shape[1] != 1:
        return state["formant"], y
    with _double(model):
        (a,) = _cast(model, "float32", a)
    filters = jnp.concatenate([state["a"], a], axis=1)[:, :-1]
    return formant_postfilter(model.config, state["formant"], y, filters, step[:, 0], lost[:, 0])


def conceal_latents(model: Model, loss: PacketLoss, latents, cond: jax.Array, scale: jax.Array, position: jax.Array):
    """Return latents in which those of lost packets are replaced, noise for zero latents, and extended conditions.

    Parameters
    ----------
    model : Model
    loss : PacketLoss
    latents : array (B, T*S, D)
        Decoded latents, multiplied by their step size.
    cond : array (B, T*S, C)
        Conditions; the last one is the log of the step size.
    scale : array (B, T*S, D)
        Scales of the latents.
    position : integer scalar
        Position of the first step of the fine network rate.
    """
    c = model.config
    S = c.spec.n_subframes
    subframe = position // (c.spec.subframe // c.step)
    substitute, noise = model.concealment.conceal_latents(model.lapped, loss, cond, subframe)
    lost = jnp.repeat(loss.lost, S, axis=1)[..., None]
    noise = jnp.where(lost | (latents != 0), 0.0, jnp.exp(cond[..., -1:]) * noise)
    count = jnp.repeat(loss.count, S, axis=1)[..., None]
    cond = jnp.concatenate([cond, jnp.where(lost, 1.0, 0.0), count.clip(max=8) / 8], axis=-1)
    return jnp.where(lost, scale * substitute, latents), noise, cond
