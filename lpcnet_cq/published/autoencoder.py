"""The three published autoencoders: each maps a frame to a quantised code with half as many samples, and decodes it.

Place in the chain: one module of the cascade. Frames are independent of each other. Delay: the frame only.

Letters: F frames, W samples of a frame, C channels.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.published.blocks import Bottleneck, Conv, Gated, Residual, Separable, leaky
from lpcnet_cq.published.config import AutoencoderConfig, SystemConfig
from lpcnet_cq.published.quantiser import Centroids

DILATIONS = (1, 2, 4, 8)  # K-Net
STACK = (1, 2)  # dilations of the two blocks of a stack in CMRL and NWC
OUTER_K = 55  # kernel of NWC's first and last layers


def knet_layers(c: AutoencoderConfig, rngs: nnx.Rngs) -> tuple[list, list]:
    """Return encoder and decoder of K-Net (Kankanahalli 2018, figure 2)."""
    C = c.channels

    def dilated():
        return [Residual(C, C, dilation=d, rngs=rngs) for d in DILATIONS]

    down, up = Residual(C, C, stride=2, rngs=rngs), Residual(C, C, up=2, rngs=rngs)
    encoder = [Residual(1, C, rngs=rngs), *dilated(), down, *dilated(), Residual(C, 1, rngs=rngs)]
    decoder = [Residual(1, C, rngs=rngs), *dilated(), up, *dilated(), Residual(C, 1, silent=True, rngs=rngs)]
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
    return encoder, decoder


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
