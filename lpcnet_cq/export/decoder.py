"""Decoder steps of speech as ONNX graphs: `synthesise` and `conceal` of `lpcnet_cq.light.speech.signal_model`.

Letters: S subframes, L samples per subframe, F fine steps per subframe, N samples per packet, M order, D latents,
K = M + S side integers.
"""

import numpy as np
import onnx

from lpcnet_cq.export.concealment import Concealment, Loss, drift_model
from lpcnet_cq.export.envelope import envelope
from lpcnet_cq.export.filters import synthesise
from lpcnet_cq.export.formant_postfilter import formant_postfilter, skip
from lpcnet_cq.export.graph import Graph, Tensor, start_model
from lpcnet_cq.export.layers import window
from lpcnet_cq.export.noise import uniform_noise
from lpcnet_cq.export.postfilter import postfilter
from lpcnet_cq.export.residual_coder import allocation, conditions, decoder
from lpcnet_cq.light.speech.model import Model
from lpcnet_cq.speech.constants import HISTORY, LOG_GAINS


def decoder_models(model: Model) -> dict[str, onnx.ModelProto]:
    """Return the graphs `decoder_start`, `decoder`, `comfort_noise` and, of weights with concealment, `drift`."""
    g, c = Graph("decoder"), model.config
    side = g.input("side", [c.n_side], np.int32)
    latents = g.input("latents", [c.n_vectors, c.n_latents], np.int32)
    step = g.input("step", [1], np.int32).astype(np.int64)
    loss, models = None, {"comfort_noise": comfort_noise_model(model)}
    hidden = Concealment(g, model.concealment) if model.concealment else None
    if hidden:
        lost, distance = g.input("lost", [1], np.int32), g.input("distance", [1], np.int32)
        loss = hidden.track_loss(lost, distance, step, g.input("drift", [1], np.float64))
        models["drift"] = drift_model(model.concealment)
    g.output("samples", received_or_lost(g, model, side, latents, step, hidden, loss), [c.spec.hop])
    return models | {"decoder_start": start_model("decoder_start", g.initial), "decoder": g.model()}


def received_or_lost(
    g: Graph,
    model: Model,
    side: Tensor,
    latents: Tensor,
    step: Tensor,
    hidden: Concealment | None,
    loss: Loss | None,
) -> Tensor:
    """Return the samples, float32 (N,), of a packet; if it is lost, latents and step index do not matter.

    Parameters
    ----------
    g : Graph
    model : Model
    side : Tensor (K,)
    latents : Tensor (S, D)
    step : Tensor (1,)
    hidden, loss
        None for weights without concealment.
    """
    c, start = model.config, model.start_decoder()
    S, L, F = c.spec.n_subframes, c.spec.subframe, c.spec.subframe // c.step
    lsf, gain = codewords(model, side)
    if hidden is not None and loss is not None:
        step, (lsf, gain) = loss.step, hidden.conceal_side(lsf, gain, loss)
    env = envelope(g, model.envelope, start.lsf, lsf)
    gains = window(g, "gain", start.gain, gain)
    cond = conditions(g, env.sub, model.lsf.mean, gains, S)
    factor = allocation(g, model.allocation, cond, gain).astype(np.float64)
    scale = (env.shape + model.log_scale + factor).op("Exp").astype(np.float32)
    size = g.constant(model.steps).take(step)
    cond = g.concat([cond, g.constant(np.ones((S, 1), np.float32)) * size.op("Log")], axis=1)
    position = advanced_position(g, S * F)
    latents = filled = latents.astype(np.float32) * size
    if hidden is not None and loss is not None:
        latents, filled, cond = hidden.conceal_latents(model.lapped.forward, loss, latents, cond, scale, position)
    e = decoder(g, model.decoder, latents, cond, uniform_noise(position, S * F, c.noise), S)
    rows = window(g, "lapped", start.lapped[None], filled / scale)
    e = e + (g.concat([rows.slice(0, S), rows.slice(1)], axis=1) @ model.lapped.back).reshape(-1)
    if hidden is not None and loss is not None:
        hidden.update_history(loss, e)
    y, filters = speech(g, model, e.reshape(S, L), gains, env.a)
    y = postfilter(g, model.postfilter, y, cond, S)
    return formant_postfilter(g, model.formant, y, filters, step, loss.lost, S) if model.formant and loss else y


def codewords(model: Model, side: Tensor) -> tuple[Tensor, Tensor]:
    """Return the LSFs (M,), not ordered, and the log gains (S,), float64, of side integers (K,)."""
    M, n = model.config.order, side.astype(np.float64)
    lsf = n.slice(0, M) @ model.lsf.synthesis + model.lsf.mean
    return lsf, (n.slice(M) @ model.gain.synthesis + model.gain.mean).clip(*LOG_GAINS)


def advanced_position(g: Graph, n: int) -> Tensor:
    """Return the position of the packet, int64 (1,); the next one is n later, modulo 2^32."""
    position = g.state("position", np.zeros(1, np.int64))
    g.next("position", (position + n) % 2**32)
    return position


def speech(g: Graph, model: Model, e: Tensor, gains: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Return speech before the postfilters, float64 (N,), and its filters (S, M+2): one subframe late.

    Parameters
    ----------
    g : Graph
    model : Model
    e : float32 Tensor (S, L)
    gains : Tensor (2 + S,)
    a : Tensor (S, M+2)
    """
    S, L, start = model.config.spec.n_subframes, model.config.spec.subframe, model.start_decoder()
    filters = window(g, "a", start.a, a).slice(0, S)
    excitation = e.astype(np.float64) * gains.slice(1, -1).op("Exp").reshape(S, 1)
    past, y = synthesise(g, g.state("y", start.y), excitation, filters, S, len(start.y), L)
    g.next("y", past)
    return y, filters


def comfort_noise_model(model: Model) -> onnx.ModelProto:
    """Return the graph `comfort_noise`: `lpcnet_cq.light.speech.comfort_noise`, from side integers to samples."""
    g, c, start = Graph("comfort_noise"), model.config, model.start_decoder()
    S, L = c.spec.n_subframes, c.spec.subframe
    lsf, gain = codewords(model, g.input("side", [c.n_side], np.int32))
    env = envelope(g, model.envelope, start.lsf, lsf)
    gains = window(g, "gain", start.gain, gain)
    allocation(g, model.allocation, conditions(g, env.sub, model.lsf.mean, gains, S), gain)
    n = S * L // c.step
    noise = uniform_noise(advanced_position(g, n), n + L // c.step, c.step).reshape(S + 1, L) * 3**0.5
    g.state("lapped", start.lapped[None])
    g.next("lapped", g.concat([noise.slice(S - 1, S), noise.slice(S)], axis=1) @ model.lapped.forward)
    y = speech(g, model, noise.slice(0, S), gains, env.a)[0].astype(np.float32)
    window(g, "postfilter.y", start.postfilter.y, y)
    if model.formant:
        skip(g, model.formant, y, S)
    if model.concealment:
        as_background(Concealment(g, model.concealment), lsf, gain, noise.slice(0, S).reshape(-1))
    g.output("samples", y, [c.spec.hop])
    return g.model()


def as_background(hidden: Concealment, lsf: Tensor, gain: Tensor, e: Tensor) -> None:
    """Add the next states of the concealment after comfort noise: `light.speech.comfort_noise.as_background`."""
    g, before = hidden.g, hidden.before
    hidden.next(
        lsf=g.concat([before["lsf"].slice(1), lsf.reshape(1, -1)]),
        gain=g.concat([before["gain"].slice(1), gain.reshape(1, -1)]),
        floor=gain.sum(0, keepdims=True) * (1 / hidden.model.config.spec.n_subframes),
        floor_lsf=lsf,
        history=g.concat([before["history"], e]).slice(-HISTORY),
        count=before["count"] * 0.0,
    )
