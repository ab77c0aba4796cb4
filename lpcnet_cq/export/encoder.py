"""Encoder steps of speech as ONNX graphs: `analyse` of `lpcnet_cq.light.speech.signal_model`, for one packet.

Letters: S subframes, L samples per subframe, N samples per packet, M order, D latents, K = M + S side integers.
"""

import numpy as np
import onnx

from lpcnet_cq.export.analysis import analyse, highpass
from lpcnet_cq.export.envelope import envelope
from lpcnet_cq.export.filters import residual
from lpcnet_cq.export.graph import Graph, Tensor
from lpcnet_cq.export.layers import window
from lpcnet_cq.export.residual_coder import allocation, conditions, encoder
from lpcnet_cq.light.quantize import TransformQuantiser
from lpcnet_cq.light.speech.model import Model
from lpcnet_cq.speech import front_end
from lpcnet_cq.speech.constants import GAIN_FLOOR


def encoder_models(model: Model) -> dict[str, onnx.ModelProto]:
    """Return the graphs `encoder_start` and `encoder`."""
    g, c = Graph("encoder"), model.config
    spec, x = c.spec, g.input("samples", [c.spec.hop], np.float32)
    first = front_end.start(np.zeros(0, np.float32), c)
    state, y = highpass(g, g.state("highpass", first.highpass), x, spec.hop, spec.sample_rate_hz)
    g.next("highpass", state)
    buffer = window(g, "buffer", first.buffer, y)
    lsf = analyse(g, buffer.slice(-spec.window - 1), spec, c.order)
    side, latents = packet(g, model, buffer.slice(-spec.hop - spec.look_ahead), lsf)
    g.output("side", side, [c.n_side])
    g.output("latents", latents, [c.n_vectors, c.n_latents])
    return {"encoder_start": encoder_start_model(model, g.initial), "encoder": g.model()}


def packet(g: Graph, model: Model, x: Tensor, lsf: Tensor) -> tuple[Tensor, Tensor]:
    """Return side integers, int32 (K,), and latents, float32 (S, D), in units of the middle step size.

    Parameters
    ----------
    g : Graph
    model : Model
    x : float32 Tensor (N + look_ahead,)
        Filtered samples of the packet and of the look-ahead.
    lsf : float64 Tensor (M,)
    """
    spec, start = model.config.spec, model.start_encoder()
    S, L, N = spec.n_subframes, spec.subframe, spec.hop
    n_lsf, lsf = quantise(model.lsf, lsf)
    env = envelope(g, model.envelope, start.lsf, lsf)
    present, past = x.slice(0, N).astype(np.float64), g.state("x", start.x)
    g.next("x", present.slice(-len(start.x)))
    e = residual(past, present, env.a, S, len(start.x), L)
    level = 0.5 * ((e * e).sum(1) * (1 / L) + GAIN_FLOOR).op("Log")
    n_gain, gain = quantise(model.gain, level)
    cond = conditions(g, env.sub, model.lsf.mean, window(g, "gain", start.gain, gain), S)
    factor = allocation(g, model.allocation, cond, gain)
    e = (e * (-gain).op("Exp").reshape(S, 1)).astype(np.float32)
    ahead = x.slice(-N)
    wide = ahead.astype(np.float64)
    energies = window(g, "energy", np.array([start.energy]), (wide * wide).sum(0, keepdims=True) * (1 / N))
    inverse = 1 / (energies.sum(0, keepdims=True) * 0.5 + GAIN_FLOOR).op("Sqrt")
    z = encoder(g, model.encoder, e, ahead * inverse.astype(np.float32), cond, S, L // model.config.step)
    rows = window(g, "lapped", start.lapped[None], e)
    z = z + g.concat([rows.slice(0, S), rows.slice(1)], axis=1) @ model.lapped.forward
    scale = (env.shape + model.log_scale + factor.astype(np.float64)).op("Exp").astype(np.float32)
    return g.concat([n_lsf, n_gain]).astype(np.int32), z * scale


def quantise(quantiser: TransformQuantiser, w: Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest integers and their codeword, float64 (M,)."""
    n = ((w - quantiser.mean) @ quantiser.analysis).op("Round")
    return n, n @ quantiser.synthesis + quantiser.mean


def encoder_start_model(model: Model, initial: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Return the graph from the first samples of a signal, `ahead` (look_ahead,), to the state before packets."""
    g, spec = Graph("encoder_start"), model.config.spec
    ahead = g.input("ahead", [spec.look_ahead], np.float32)
    zeros = {name: g.constant(value) for name, value in initial.items()}
    state, y = highpass(g, zeros["highpass"], ahead, spec.look_ahead, spec.sample_rate_hz)
    values = zeros | {"highpass": state, "buffer": g.concat([zeros["buffer"], y]).slice(spec.look_ahead)}
    for name, value in values.items():
        g.output(f"next.{name}", value, initial[name].shape)
    return g.model()
