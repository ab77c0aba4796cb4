"""Blocks of the published networks: K-Net's residual units, CMRL's bottlenecks, NWC's gates and separable convolution.

All blocks convolve whole frames, padded with zeros on both sides ("same"), without a state between frames. Every block
is called on arrays (F, L, C). Its method `macs(L)` returns the multiply-accumulates for L input samples, and the number
of output samples.

Letters: F frames, L samples, C channels, k kernel length, d dilation.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

K = 9  # kernel length, except for gates and NWC's outer layers
GATE_K = 15
SLOPE = 0.2  # of leaky ReLU
PRELU_START = 0.3


def leaky(x: jax.Array) -> jax.Array:
    """Return max(x, 0.2 x)."""
    return jnp.maximum(x, SLOPE * x)


def shuffle(x: jax.Array, up: int) -> jax.Array:
    """Sub-pixel upsampling: rearrange channels as samples, (F, L, up C) to (F, up L, C)."""
    F, L, C = x.shape
    return x.reshape(F, L * up, C // up)


def chain_macs(layers, L: int) -> tuple[int, int]:
    """Return the multiply-accumulates of a chain of layers for L input samples, and the number of output samples."""
    total = 0
    for layer in layers:
        macs, L = layer.macs(L)
        total += macs
    return total, L


class Conv(nnx.Module):
    """Convolve (F, L, cin) to (F, up L / stride, cout / up), with an activation.

    Weights are initialised with He's normal distribution. The last convolutions of residual branches and of decoders
    are initialised with zeros (`silent`): a new network then consists of its shortcuts, and its output is zero.
    """

    def __init__(self, cin, cout, k=K, *, stride=1, dilation=1, up=1, activation=None, silent=False, rngs: nnx.Rngs):
        self.stride, self.dilation, self.up, self.activation = stride, dilation, up, activation
        start = jnp.zeros((k, cin, cout)) if silent else jax.random.normal(rngs.params(), (k, cin, cout))
        self.kernel = nnx.Param((2 / (cin * k)) ** 0.5 * start)
        self.bias = nnx.Param(jnp.zeros(cout))

    def macs(self, L: int) -> tuple[int, int]:
        """Return multiply-accumulates for L samples in, and samples out."""
        n = L // self.stride
        return n * self.kernel.size, n * self.up

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (F, up L / stride, cout / up)."""
        y = lax.conv_general_dilated(
            x,
            self.kernel[...],
            window_strides=(self.stride,),
            padding="SAME",
            rhs_dilation=(self.dilation,),
            dimension_numbers=("NWC", "WIO", "NWC"),
        )
        y = y + self.bias[...]
        return shuffle(y if self.activation is None else self.activation(y), self.up)


class Unit(nnx.Module):
    """Convolve, then PReLU with one slope per channel, then upsample."""

    def __init__(self, cin: int, cout: int, *, stride=1, dilation=1, up=1, silent=False, rngs: nnx.Rngs):
        self.up = up
        self.conv = Conv(cin, up * cout, stride=stride, dilation=dilation, silent=silent, rngs=rngs)
        self.slope = nnx.Param(jnp.full(up * cout, PRELU_START, jnp.float32))

    def macs(self, L: int) -> tuple[int, int]:
        """Return multiply-accumulates for L samples in, and samples out."""
        total, n = self.conv.macs(L)
        return total, n * self.up

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (F, up L / stride, cout)."""
        y = self.conv(x)
        return shuffle(jnp.where(y > 0, y, self.slope[...] * y), self.up)


class Residual(nnx.Module):
    """K-Net's block: two units and a shortcut, which is a third unit if the length or the channels change."""

    def __init__(self, cin: int, cout: int, *, stride=1, dilation=1, up=1, silent=False, rngs: nnx.Rngs):
        same = cin == cout and stride == up == 1
        self.shortcut = None if same else Unit(cin, cout, stride=stride, up=up, silent=silent, rngs=rngs)
        self.first = Unit(cin, cout, stride=stride, dilation=dilation, up=up, rngs=rngs)
        self.second = Unit(cout, cout, dilation=dilation, silent=True, rngs=rngs)

    def macs(self, L: int) -> tuple[int, int]:
        """Return multiply-accumulates for L samples in, and samples out."""
        total, n = chain_macs([self.first, self.second], L)
        return total + (self.shortcut.macs(L)[0] if self.shortcut else 0), n

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (F, up L / stride, cout)."""
        return (self.shortcut(x) if self.shortcut else x) + self.second(self.first(x))


class Bottleneck(nnx.Module):
    """CMRL's block: fewer channels, dilated convolution, more channels; the result is added to x."""

    def __init__(self, cin: int, c: int, hidden: int, dilation: int, flat: bool, *, rngs: nnx.Rngs):
        self.flat = flat  # the last block of a stack has no activation after the sum
        self.convs = nnx.List(
            [
                Conv(cin, hidden, activation=leaky, rngs=rngs),
                Conv(hidden, hidden, dilation=dilation, activation=leaky, rngs=rngs),
                Conv(hidden, c, silent=True, rngs=rngs),
            ]
        )

    def macs(self, L: int) -> tuple[int, int]:
        """Return multiply-accumulates for L samples in, and samples out."""
        return chain_macs(self.convs, L)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (F, L, c)."""
        h = x
        for conv in self.convs:
            h = conv(h)
        return x + h if self.flat else leaky(x + h)


class Gated(nnx.Module):
    """NWC's block: a signal with few channels times a tanh gate, added to x; x with one channel is added to all."""

    def __init__(self, cin: int, c: int, hidden: int, dilation: int, flat: bool, *, rngs: nnx.Rngs):
        self.flat = flat
        self.narrow = Conv(cin, hidden, 1, activation=leaky, rngs=rngs)
        self.signal = Conv(hidden, hidden, GATE_K, dilation=dilation, rngs=rngs)
        self.gate = Conv(hidden, hidden, GATE_K, dilation=dilation, activation=jnp.tanh, rngs=rngs)
        self.wide = Conv(hidden, c, silent=True, rngs=rngs)

    def macs(self, L: int) -> tuple[int, int]:
        """Return multiply-accumulates for L samples in, and samples out."""
        return chain_macs([self.narrow, self.signal, self.gate, self.wide], L)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (F, L, c)."""
        h = self.narrow(x)
        y = x + self.wide(self.signal(h) * self.gate(h))
        return y if self.flat else leaky(y)


class Separable(nnx.Module):
    """Separable convolution: convolve each channel, then mix channels, activate and upsample."""

    def __init__(self, c: int, up: int, *, rngs: nnx.Rngs):
        self.taps = nnx.Param((2 / K) ** 0.5 * jax.random.normal(rngs.params(), (K, c)))
        self.mix = Conv(c, c, 1, up=up, activation=leaky, rngs=rngs)

    def macs(self, L: int) -> tuple[int, int]:
        """Return multiply-accumulates for L samples in, and samples out."""
        total, n = self.mix.macs(L)
        return total + L * self.taps.size, n

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (F, up L, c / up)."""
        L = x.shape[1]
        padded = jnp.pad(x, ((0, 0), (K // 2, K // 2), (0, 0)))
        y = jnp.stack([self.taps[k] * padded[:, k : k + L] for k in range(K)]).sum(axis=0)
        return self.mix(y)
