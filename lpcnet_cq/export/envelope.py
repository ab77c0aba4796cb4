"""LSF vectors to filters and noise shapes as ONNX nodes: `lpcnet_cq.light.speech.envelope`, for one packet.

Letters: S subframes, M order, D latents.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.export.graph import Graph, Tensor
from lpcnet_cq.light.speech import envelope as light
from lpcnet_cq.speech.constants import MAX_LOG_SHAPE, MIN_DISTANCE, POWER_FLOOR


class Envelope(NamedTuple):
    """Hold what `light.Envelope` returns, all float64.

    Attributes
    ----------
    sub : Tensor (S, M)
    a : Tensor (S, M+2)
    shape : Tensor (S, D)
    """

    sub: Tensor
    a: Tensor
    shape: Tensor


def running(x: Tensor, kind: str, n: int) -> Tensor:
    """Return the maximum of each element of x (n,) and all before it, or the minimum of it and all behind it."""
    mask = np.tril(np.ones((n, n), bool)) if kind == "max" else np.triu(np.ones((n, n), bool))
    other = x.graph.constant(np.full((1, 1), -np.inf if kind == "max" else np.inf, x.dtype))
    rows = x.graph.where(x.graph.constant(mask), x.reshape(1, n), other)
    return rows.reduce(kind, axis=1)


def order_lsf(lsf: Tensor, M: int) -> Tensor:
    """Sort frequencies (M,) and keep them apart: `light.order_lsf`."""
    k = np.arange(1, M + 1) * MIN_DISTANCE
    top = np.pi - (M + 1) * MIN_DISTANCE
    ascending = lsf.graph.lowest(lsf, M)
    up = running(ascending.op("Max", MIN_DISTANCE) - k, "max", M)
    return running(up - top, "min", M).op("Min", 0.0) + (k + top)


def envelope(g: Graph, model: light.Envelope, initial: np.ndarray, lsf: Tensor) -> Envelope:
    """Return filters and noise shapes of one packet; the state is the last ordered vector.

    Parameters
    ----------
    g : Graph
    model : light.Envelope
    initial : array (M,)
        LSF vector before the first packet.
    lsf : Tensor (M,)
    """
    M, D, S = model.M, model.D, len(model.w)
    before, lsf = g.state("lsf", initial), order_lsf(lsf, M)
    g.next("lsf", lsf)
    sub = before * (1 - model.w) + lsf * model.w
    factors = model.points - sub.cos().reshape(S, M // 2, 2, 1)
    values = g.op("ReduceProd", factors, np.array([1]), dtype=np.float64, keepdims=0).reshape(S, -1) @ model.matrix
    a = g.concat([g.constant(np.ones((S, 1))), values.slice(1, M + 2, axis=1)], axis=1)
    power = values.slice(M + 2, axis=1)
    power = power * power
    log_power = (power.slice(0, 2 * D, axis=1) + power.slice(2 * D, axis=1) + POWER_FLOOR).op("Log")
    shape = 0.5 * (log_power.slice(D, axis=1) - log_power.slice(0, D, axis=1)) - model.emphasis
    return Envelope(sub, a, shape.clip(-MAX_LOG_SHAPE, MAX_LOG_SHAPE))
