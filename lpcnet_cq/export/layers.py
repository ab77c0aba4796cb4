"""Layers as ONNX nodes: `lpcnet_cq.light.layers`, from whose objects the weights come."""

from collections.abc import Sequence

import numpy as np

from lpcnet_cq.export.graph import Graph, Tensor
from lpcnet_cq.light.layers import EPSILON, Block, CausalConv


def pointwise(conv: CausalConv, x: Tensor) -> Tensor:
    """Return y (T, O) of a convolution with k = 1."""
    return x @ conv.weight + conv.bias


def causal_conv(g: Graph, name: str, conv: CausalConv, x: Tensor, T: int) -> Tensor:
    """Return y (T // stride, O) of a convolution of x (T, C); its state has this name."""
    if conv.k == 1:
        return pointwise(conv, x)
    if conv.past:
        x = g.concat([g.state(name, conv.start()), x])
        g.next(name, x.slice(T))
    rows = np.arange(T // conv.stride)[:, None] * conv.stride + np.arange(conv.k) * conv.dilation
    return x.take(rows).reshape(len(rows), conv.k * conv.cin) @ conv.weight + conv.bias


def block(g: Graph, name: str, layer: Block, x: Tensor, T: int) -> Tensor:
    """Return y (T, C) of a residual block."""
    power = (x * x).sum(1, keepdims=True) * (1 / layer.conv.cin) + EPSILON
    h = causal_conv(g, name, layer.conv, x / power.op("Sqrt"), T)
    return pointwise(layer.point, h.silu()) + x


def run_all(g: Graph, name: str, layers: Sequence[CausalConv | Block], x: Tensor, T: int) -> Tensor:
    """Return the output of a chain of layers; their states have the names `NAME.0`, `NAME.1` and so on."""
    for i, layer in enumerate(layers):
        run = block if isinstance(layer, Block) else causal_conv
        x = run(g, f"{name}.{i}", layer, x, T)  # type: ignore[arg-type]
    return x


def window(g: Graph, name: str, initial: np.ndarray, x: Tensor) -> Tensor:
    """Return the state of this name followed by x, along the first axis; the state is the end of what is returned.

    Parameters
    ----------
    g : Graph
    name : str
    initial : array (n, ...)
        The state before the first call.
    x : Tensor (m, ...)
    """
    joined = g.concat([g.state(name, initial), x])
    g.next(name, joined.slice(-len(initial)))
    return joined
