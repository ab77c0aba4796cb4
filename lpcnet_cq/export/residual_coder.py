"""Network path of the residual coder, its conditions and the bit allocation as ONNX nodes, for one packet.

Counterparts: `lpcnet_cq.light.speech.residual_coder` and `lpcnet_cq.light.speech.allocation`.

Letters: S subframes, P samples per fine step, F fine steps per subframe, C conditions, D latents.
"""

import numpy as np

from lpcnet_cq.export.envelope import running
from lpcnet_cq.export.graph import Graph, Tensor
from lpcnet_cq.export.layers import causal_conv, pointwise, run_all
from lpcnet_cq.light.speech import allocation as light_allocation
from lpcnet_cq.light.speech import residual_coder as light
from lpcnet_cq.speech.constants import MAX_LOG_FACTOR, PEAK_DECAY


def conditions(g: Graph, sub: Tensor, mean_lsf: np.ndarray, gains: Tensor, S: int) -> Tensor:
    """Return the network's conditions, float32 (S, M + 3), from LSFs (S, M) and log gains (2 + S,)."""
    now, last, earlier = (gains.slice(2 - i, 2 - i + S).reshape(S, 1) for i in range(3))
    return g.concat([5 * (sub - mean_lsf), 0.3 * (now + 6), now - last, last - earlier], axis=1).astype(np.float32)


def allocation(g: Graph, model: light_allocation.Allocation, cond: Tensor, log_gain: Tensor) -> Tensor:
    """Return the natural log of the factors on the scales, float32 (S, D); states: peak level, last inputs."""
    S, start = model.S, model.start()
    fall = PEAK_DECAY * np.arange(S + 1)
    levels = running(g.concat([g.state("peak", np.array([start.peak])), log_gain]) + fall, "max", S + 1) - fall
    peak = levels.slice(1)
    g.next("peak", levels.slice(S))
    relative = (log_gain - peak).astype(np.float32).reshape(S, 1)
    seen = g.concat([cond, relative], axis=1).reshape(-1)
    u = g.concat([g.state("seen", start.seen), seen]).reshape(1, -1)
    g.next("seen", seen)
    h = (u @ model.w1 + model.b1).silu()
    return (h @ model.w2 + model.b2).clip(-MAX_LOG_FACTOR, MAX_LOG_FACTOR).reshape(S, -1)


def encoder(g: Graph, model: light.Encoder, e: Tensor, x: Tensor, cond: Tensor, S: int, F: int) -> Tensor:
    """Return latents (S, D) before scaling, from the normalised residual and the normalised speech, float32 (N,)."""
    u = g.concat([e.reshape(-1, model.step), x.reshape(-1, model.step)], axis=1)
    h = run_all(g, "net.fine", model.fine, u, S * F)
    h = causal_conv(g, "net.down", model.down, h.silu(), S * F) + pointwise(model.condition, cond)
    return run_all(g, "net.coarse", model.coarse, h, S)


def decoder(g: Graph, model: light.Decoder, latents: Tensor, cond: Tensor, noise: Tensor, S: int) -> Tensor:
    """Return the normalised excitation (N,) of the subframes, one subframe late."""
    h = run_all(g, "net.coarse", model.coarse, g.concat([latents, cond], axis=1), S)
    h = pointwise(model.up, h.silu()).reshape(S * model.F, -1) + pointwise(model.noise, noise)
    return run_all(g, "net.fine", model.fine, h, S * model.F).reshape(-1)
