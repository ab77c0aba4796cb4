"""A published system in JAX: LPC front end with quantised LSFs, cascade of autoencoders, synthesis.

Place in the chain: from scaled speech to symbols, and from symbols to speech. Training and codec run the same
functions; in training some parts use soft assignments. Filters and overlaps keep their state between frames and between
calls, so that unquantised frames reproduce the speech exactly, delayed by one overlap. `zero_state` describes the
released code, which has no such state.

Frame t covers the samples from t*hop - overlap to (t+1)*hop of the input. Its filter covers the samples that are not in
the previous frame, so that the residual of a frame does not depend on the filter of the next frame.

Letters: B batch, T frames, W samples of a frame, V overlap, M order, K = M + modules * W / 2 symbols of a frame.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from lpcnet_cq.published import zero_state
from lpcnet_cq.published.autoencoder import Autoencoder
from lpcnet_cq.published.config import SystemConfig
from lpcnet_cq.published.frames import fade, overlap_add, overlapping_frames
from lpcnet_cq.published.quantiser import Centroids, Relaxation, quantise, symbols
from lpcnet_cq.speech import filters
from lpcnet_cq.speech.analysis import PREEMPHASIS
from lpcnet_cq.speech.envelope import lsf_to_lpc, order_lsf


class Model(nnx.Module):
    """Hold all parameters of a system."""

    def __init__(self, c: SystemConfig, *, rngs: nnx.Rngs):
        self.modules = nnx.List([Autoencoder(c, rngs=rngs) for _ in range(c.n_modules)])
        if c.n_lsf:
            self.lsf = Centroids(jnp.linspace(0, jnp.pi, c.n_lsf_centroids), c.temperature)
        self.config = c


class Coded(NamedTuple):
    """Hold a module's code before quantisation (B, T, W/2) and its log assignments (B, T, W/2, K)."""

    z: jax.Array
    log_p: jax.Array


def start_encoder(c: SystemConfig, B: int) -> dict:
    """Return the encoder's state before the first sample."""
    return {"x": jnp.zeros((B, c.order + 1)), "tail": jnp.zeros((B, c.spec.look_ahead))}


def start_decoder(c: SystemConfig, B: int) -> dict:
    """Return the decoder's state before the first frame."""
    a = jnp.zeros((B, 1, c.order + 2)).at[..., 0].set(1.0)
    return {"a": a, "y": jnp.zeros((B, c.order + 1)), "tail": jnp.zeros((B, c.spec.look_ahead))}


def filters_of(c: SystemConfig, lsf: jax.Array) -> jax.Array:
    """Return A(z) (1 - mu z^-1), shape (B, T, M+2), from decoded LSFs (B, T, M) in any order.

    With `zero_state`, return A(z) only, (B, T, M+1), because the pre-emphasis keeps its state.
    """
    a = lsf_to_lpc(order_lsf(lsf))
    if c.zero_state:
        return a
    return jnp.pad(a, ((0, 0), (0, 0), (0, 1))) - PREEMPHASIS * jnp.pad(a, ((0, 0), (0, 0), (1, 0)))


def analyse(c: SystemConfig, state: dict, x: jax.Array, a: jax.Array | None) -> tuple[dict, jax.Array]:
    """Return the next state and frames (B, T, W) of speech x (B, T*hop), or of its residual if `a` is given."""
    if a is not None and c.zero_state:
        x_state, x = filters.residual(state["x"], x, zero_state.emphasis(state["x"]))
        tail, frames = overlapping_frames(state["tail"], x, c.spec)
        return {"x": x_state, "tail": tail}, zero_state.residual(frames, a)
    x_state, e = (state["x"], x) if a is None else filters.residual(state["x"], x, a)
    tail, frames = overlapping_frames(state["tail"], e, c.spec)
    return {"x": x_state, "tail": tail}, frames * fade(c.spec) if c.window_at == "analysis" else frames


def cascade(model: Model, frames: jax.Array, n_modules: int, trained: tuple = (), relaxation: Relaxation | None = None):
    """Code frames with the first modules; each module codes the error of the modules before it.

    Parameters
    ----------
    model : Model
    frames : array (B, T, W)
    n_modules : int
    trained : tuple
        Modules whose quantisers use `relaxation`; the others are hard and have no gradient.
    relaxation : Relaxation, optional

    Returns
    -------
    decoded : array (B, T, W)
        Sum of the modules' outputs.
    coded : list of Coded
    """
    decoded, coded = jnp.zeros_like(frames), []
    for i, module in enumerate(model.modules[:n_modules]):
        z = module.encode(frames - decoded)
        value, log_p = quantise(module.quantiser, z, relaxation if i in trained else None)
        out = module.decode(value)
        decoded = decoded + (out if i in trained else lax.stop_gradient(out))
        coded.append(Coded(z, log_p))
    return decoded, coded


def synthesise(c: SystemConfig, state: dict, frames: jax.Array, a: jax.Array | None) -> tuple[dict, jax.Array]:
    """Return the next state and speech (B, T*hop), delayed by one overlap, from decoded frames (B, T, W)."""
    if a is not None and c.zero_state:
        tail, e = overlap_add(state["tail"], zero_state.synthesise(frames, a) * fade(c.spec), c.spec)
        y_state, y = filters.synthesise(state["y"], e, zero_state.emphasis(state["y"]))
        return state | {"y": y_state, "tail": tail}, y
    faded = frames if c.window_at == "analysis" else frames * fade(c.spec)
    tail, e = overlap_add(state["tail"], faded, c.spec)
    if a is None:
        return state | {"tail": tail}, e
    # The filter of the previous frame is used for the first subframe of a frame, the overlap.
    before = jnp.concatenate([state["a"], jnp.repeat(a, c.spec.n_subframes, axis=1)], axis=1)
    y_state, y = filters.synthesise(state["y"], e, before[:, :-1])
    return {"a": before[:, -1:], "y": y_state, "tail": tail}, y


def encode(model: Model, state: dict, x: jax.Array, lsf: jax.Array | None) -> tuple[dict, jax.Array]:
    """Return the next state and all hard symbols (B, T, K) of speech x (B, T*hop) with LSFs (B, T, M)."""
    c, parts, a = model.config, [], None
    if lsf is not None:
        value, log_p = quantise(model.lsf, lsf, None)
        a = filters_of(c, value)
        parts.append(symbols(log_p))
    state, frames = analyse(c, state, x, a)
    _, coded = cascade(model, frames, c.n_modules)
    return state, jnp.concatenate([*parts, *(symbols(code.log_p) for code in coded)], axis=-1)


def decode(model: Model, state: dict, s: jax.Array) -> tuple[dict, jax.Array]:
    """Return the next state and speech (B, T*hop), delayed by one overlap, from symbols (B, T, K)."""
    c = model.config
    a = filters_of(c, model.lsf.values(s[..., : c.n_lsf])) if c.n_lsf else None
    codes = jnp.split(s[..., c.n_lsf :], c.n_modules, axis=-1)
    outputs = [m.decode(m.quantiser.values(code)) for m, code in zip(model.modules, codes, strict=True)]
    return synthesise(c, state, jnp.stack(outputs).sum(axis=0), a)


def recode_soft(model: Model, states: tuple[dict, dict], x: jax.Array, lsf: jax.Array | None):
    """Return the next states and speech decoded from soft assignments, as in tests of the released code.

    Files cannot contain soft assignments. This function is used to measure how much they increase scores.
    """
    c, a = model.config, None
    soft = Relaxation(jnp.float32(1), jnp.float32(1), jnp.float32(0))
    if lsf is not None:
        a = filters_of(c, quantise(model.lsf, lsf, soft)[0])
    encoder, frames = analyse(c, states[0], x, a)
    decoder, y = synthesise(c, states[1], cascade(model, frames, c.n_modules, tuple(range(c.n_modules)), soft)[0], a)
    return (encoder, decoder), y
