"""The three published autoencoders: each maps a frame to a quantised code with half as many samples, and decodes it.

Place in the chain: one module of the cascade. Frames are independent of each other. Delay: the frame only.

Letters: F frames, W samples of a frame, C channels.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.published.blocks import PRELU_START, SLOPE, Bottleneck, Conv, Gated, K, Residual, Separable, leaky
from lpcnet_cq.published.config import AutoencoderConfig, SystemConfig
from lpcnet_cq.published.quantiser import Centroids

DILATIONS = (1, 2, 4, 8)  # K-Net
STACK = (1, 2)  # dilations of the two blocks of a stack in CMRL and NWC
OUTER_K = 55  # kernel of NWC's first and last layers
CODE_GAIN = 3.0  # of a new module's code: brings speech of level 0.1 and LPC residuals to about 0.3
GATED_GAIN, GATED_OFFSET = 1.5, 0.7  # of NWC's code before tanh, so that its decoder's first activation is linear
KEPT = 1 + SLOPE**2  # of x - (-x), after the activations of a convolution and of a block of CMRL and NWC
SAMPLES = np.arange(K) - K // 2  # filters of new modules: half the band, and between two samples of the code
DELTA = np.where(SAMPLES == 0, 1.0, 0.0)
LOW_PASS = np.sinc(SAMPLES / 2) * np.hamming(K) / np.sum(np.sinc(SAMPLES / 2) * np.hamming(K))
BETWEEN = np.sinc(SAMPLES + 0.5) * np.hamming(K + 1)[1:]


def knet_layers(c: AutoencoderConfig, rngs: nnx.Rngs) -> tuple[list, list]:
    """Return encoder and decoder of K-Net (Kankanahalli 2018, figure 2)."""
    C = c.channels

    def dilated():
        return [Residual(C, C, dilation=d, rngs=rngs) for d in DILATIONS]

    down, up = Residual(C, C, stride=2, rngs=rngs), Residual(C, C, up=2, rngs=rngs)
    encoder = [Residual(1, C, rngs=rngs), *dilated(), down, *dilated(), Residual(C, 1, rngs=rngs)]
    decoder = [Residual(1, C, rngs=rngs), *dilated(), up, *dilated(), Residual(C, 1, silent=True, rngs=rngs)]
    ways = [[block.shortcut for block in chain if block.shortcut] for chain in (encoder, decoder)]
    for way in ways:
        way[2].slope[...] = jnp.ones(1)  # code and output have both signs
    start_as_low_pass([unit.conv for unit in ways[0]], 1 + PRELU_START, CODE_GAIN)
    start_as_interpolation([unit.conv for unit in ways[1]], 1 + PRELU_START)
    return encoder, decoder


def stack(block, cin: int, c: int, hidden: int, rngs: nnx.Rngs) -> list:
    """Return two blocks with dilations 1 and 2; the second has no activation after its sum."""
    first, second = STACK
    return [block(cin, c, hidden, first, False, rngs=rngs), block(c, c, hidden, second, True, rngs=rngs)]


def bottleneck_layers(c: AutoencoderConfig, rngs: nnx.Rngs) -> tuple[list, list]:
    """Return encoder and decoder of a CMRL module (Zhen et al. 2019, table 1)."""
    C, H = c.channels, c.hidden
    encoder = [
        Conv(1, C, activation=leaky, rngs=rngs),
        *stack(Bottleneck, C, C, H, rngs),
        Conv(C, C, stride=2, activation=leaky, rngs=rngs),
        *stack(Bottleneck, C, C, H, rngs),
        Conv(C, 1, activation=jnp.tanh, rngs=rngs),
    ]
    decoder = [
        Conv(1, C, activation=leaky, rngs=rngs),
        *stack(Bottleneck, C, C, H, rngs),
        Conv(C, C, activation=leaky, up=2, rngs=rngs),
        *stack(Bottleneck, C // 2, C // 2, H, rngs),
        Conv(C // 2, 1, silent=True, rngs=rngs),
    ]
    start_as_low_pass([encoder[i] for i in (0, 3, 6)], KEPT, CODE_GAIN)
    start_as_interpolation([decoder[i] for i in (0, 3, 6)], KEPT)
    return encoder, decoder


def pass_pair(conv: Conv, taps: np.ndarray, gain: float, outputs: tuple[int, ...], inputs: tuple = (0, 1)) -> None:
    """Let a convolution compute gain * taps applied to x, and its negative, from two channels, x and -x; in place.

    `outputs` are the indices of the one or two channels of the result, which have no other inputs. With a single input
    channel, this is x.
    """
    k, cin, _ = conv.kernel.shape
    kernel = np.zeros((k, cin, len(outputs)), np.float32)
    around = (k - len(taps)) // 2
    for i, channel in enumerate(inputs[:cin]):
        for o in range(len(outputs)):
            kernel[around : k - around, channel, o] = (-1) ** (i + o) * gain * taps
    conv.kernel[...] = conv.kernel[...].at[:, :, jnp.array(outputs)].set(kernel)


def start_as_low_pass(encoder: list[Conv], kept: float, gain: float) -> None:
    """Let the code of a new module be the lower half of the band; changes the layers in place.

    With random weights, a module needs thousands of frames before its output resembles its input. Here the signal
    passes through two channels, x and -x, whose difference remains proportional to x after activations. The other
    channels are random, and their weights into the code and into the output are 0.

    Parameters
    ----------
    encoder : list of Conv
        The convolutions on the way of the signal: the first, that which changes the rate, the last.
    kept : float
        Difference of the two channels after the activations between these convolutions, for x = 1.
    gain : float
        Gain of the code.
    """
    pass_pair(encoder[0], DELTA, 1.0, (0, 1))
    pass_pair(encoder[1], LOW_PASS, 1 / kept, (0, 1))
    pass_pair(encoder[2], DELTA, gain / kept, (0,))


def start_as_interpolation(decoder: list[Conv], kept: float) -> None:
    """Let a new decoder interpolate its code; arguments as for `start_as_low_pass`."""
    half = decoder[1].kernel.shape[2] // 2  # channels of the even samples of the output come first
    pass_pair(decoder[0], DELTA, 1 / CODE_GAIN, (0, 1))
    pass_pair(decoder[1], BETWEEN, 1 / kept, (0, 1))
    pass_pair(decoder[1], DELTA, 1 / kept, (half, half + 1))
    pass_pair(decoder[2], DELTA, 1 / kept, (0,))


def start_gated_as_interpolation(up: Separable, last: Conv, kept: float) -> None:
    """Let a new decoder of NWC interpolate its code, which has an offset: its channels are copies of the code."""
    half = last.kernel.shape[1]
    up.taps[...] = up.taps[...].at[:, :2].set(np.stack([BETWEEN, DELTA], axis=1))
    slope, offset = 1 - np.tanh(GATED_OFFSET) ** 2, np.tanh(GATED_OFFSET)  # of the code
    gain = 1 / (GATED_GAIN * slope)
    for channel, outputs in enumerate([(0, 1), (half, half + 1)]):
        pass_pair(up.mix, np.ones(1), gain, outputs, (channel,))
        up.mix.bias[...] = up.mix.bias[...].at[jnp.array(outputs)].set(np.array([-1, 1]) * np.float32(gain * offset))
    pass_pair(last, DELTA, 1 / kept, (0,))


def gated_layers(c: AutoencoderConfig, rngs: nnx.Rngs) -> tuple[list, list]:
    """Return encoder and decoder of NWC (Zhen et al. 2021); the decoder adds the code to all channels first."""
    C, H = c.channels, c.hidden
    encoder = [
        Conv(1, C, OUTER_K, activation=leaky, rngs=rngs),
        *stack(Gated, C, C, H, rngs),
        Conv(C, C, stride=2, activation=leaky, rngs=rngs),
        *stack(Gated, C, C, H, rngs),
        Conv(C, 1, OUTER_K, activation=jnp.tanh, rngs=rngs),
    ]
    decoder = [
        *stack(Gated, 1, C, H, rngs),
        Separable(C, 2, rngs=rngs),
        *stack(Gated, C // 2, C // 2, H, rngs),
        Conv(C // 2, 1, OUTER_K, silent=True, rngs=rngs),
    ]
    start_as_low_pass([encoder[i] for i in (0, 3, 6)], KEPT, GATED_GAIN)
    encoder[6].bias[...] = jnp.full(1, GATED_OFFSET)
    start_gated_as_interpolation(decoder[2], decoder[5], KEPT)
    return encoder, decoder


LAYERS = {"knet": knet_layers, "bottleneck": bottleneck_layers, "gated": gated_layers}


class Autoencoder(nnx.Module):
    """Hold encoder, decoder and quantiser of one module."""

    def __init__(self, c: SystemConfig, *, rngs: nnx.Rngs):
        encoder, decoder = LAYERS[c.autoencoder.kind](c.autoencoder, rngs)
        self.encoder, self.decoder = nnx.List(encoder), nnx.List(decoder)
        self.quantiser = Centroids(jnp.linspace(-1, 1, c.n_centroids), c.temperature)

    def encode(self, frames: jax.Array) -> jax.Array:
        """Return the code (..., W / 2) of frames (..., W), before quantisation."""
        return run(self.encoder, frames)

    def decode(self, code: jax.Array) -> jax.Array:
        """Return frames (..., W) for a code (..., W / 2)."""
        return run(self.decoder, code)


def run(layers, x: jax.Array) -> jax.Array:
    """Run layers on independent frames (..., L); return (..., L')."""
    h = x.reshape(-1, x.shape[-1], 1)
    for layer in layers:
        h = layer(h)
    return h.reshape(*x.shape[:-1], -1)
