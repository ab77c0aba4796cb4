"""Causal layers with explicit state, so that whole signals and single packets run the same code.

Every layer is called as `state, y = layer(state, x)` on arrays (B, T, C); `layer.start(B)` returns the initial state.
Layers have no look-ahead. A network obtains look-ahead by shifting its input (see `speech.residual_coder`).

Letters: B batch, T time, C channels, k kernel length, d dilation, r stride.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from lpcnet_cq.nn.capture import sow_input


class CausalConv(nnx.Module):
    """Causal convolution over time."""

    def __init__(self, cin: int, cout: int, k: int, *, stride: int = 1, dilation: int = 1, gain: float = 1.0, rngs):
        self.cin, self.stride, self.dilation = cin, stride, dilation
        self.past = (k - 1) * dilation + 1 - stride  # past samples that the first output needs
        bound = gain / (cin * k) ** 0.5
        self.kernel = nnx.Param(bound * jax.random.normal(rngs.params(), (k, cin, cout)))
        self.bias = nnx.Param(jnp.zeros(cout))

    def start(self, B: int) -> jax.Array:
        """Return the state before the first sample, zeros (B, past, C)."""
        return jnp.zeros((B, self.past, self.cin))

    def __call__(self, state: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the next state and y, shape (B, T // stride, cout)."""
        xs = jnp.concatenate([state, x], axis=1)
        sow_input(self, "kernel", lambda: unfold(xs, self.kernel.shape[0], self.stride, self.dilation))
        y = lax.conv_general_dilated(
            xs,
            self.kernel[...],
            window_strides=(self.stride,),
            padding="VALID",
            rhs_dilation=(self.dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        )
        return xs[:, xs.shape[1] - self.past :], y + self.bias[...]


def unfold(xs: jax.Array, k: int, stride: int = 1, dilation: int = 1) -> jax.Array:
    """Return the matrix X (B, rows, k*C) with which a convolution becomes the product Y = X W.

    Parameters
    ----------
    xs : array (B, T, C)
        Input including its past; rows = (T - (k - 1) * dilation - 1) // stride + 1.
    k, stride, dilation : int
        Parameters of the convolution. Its kernel has the shape (k, C, O), and W is kernel.reshape(k*C, O).

    Examples
    --------
    >>> unfold(jnp.array([[[1.0], [2.0], [3.0]]]), k=2).tolist()
    [[[1.0, 2.0], [2.0, 3.0]]]
    """
    span = (k - 1) * dilation
    taps = [xs[:, j * dilation : xs.shape[1] - span + j * dilation : stride] for j in range(k)]
    return jnp.concatenate(taps, axis=-1)


class Block(nnx.Module):
    """Residual block: RMS norm, dilated convolution, SiLU and pointwise convolution; the result is added to x."""

    def __init__(self, c: int, k: int, dilation: int, *, rngs):
        self.scale = nnx.Param(jnp.ones(c))
        self.conv = CausalConv(c, c, k, dilation=dilation, rngs=rngs)
        self.point = CausalConv(c, c, 1, gain=0.3, rngs=rngs)

    def start(self, B: int) -> jax.Array:
        """Return the state before the first sample."""
        return self.conv.start(B)

    def __call__(self, state: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return the next state and y, shaped like x (B, T, C)."""
        h = x * lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + 1e-5) * self.scale[...]
        state, h = self.conv(state, h)
        _, h = self.point(h[:, :0], jax.nn.silu(h))
        return state, x + h


def start_all(layers, B: int) -> list:
    """Return the initial states of a chain of layers."""
    return [layer.start(B) for layer in layers]


def run_all(layers, states: list, x: jax.Array) -> tuple[list, jax.Array]:
    """Run a chain of layers, each with its own state."""
    after = []
    for layer, state in zip(layers, states, strict=True):
        state, x = layer(state, x)
        after.append(state)
    return after, x


def count_parameters(module: nnx.Module) -> int:
    """Return the number of trainable parameters.

    Examples
    --------
    >>> count_parameters(CausalConv(3, 5, 2, rngs=nnx.Rngs(0)))
    35
    """
    return sum(p.size for p in jax.tree.leaves(nnx.state(module, nnx.Param)))
