"""Discriminators of decoded speech: small convolutional networks on spectrograms of several window lengths.

Place in the chain: training of the decoder only. They learn to tell decoded speech from recordings; the decoder learns
to make both alike. Losses that compare with the original make the decoder choose the mean of all likely details, which
sounds dull and buzzing where details are noise; a discriminator does not accept the mean.

Letters: B batch, N samples, F frames, K bins, W window length, C channels.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.training.losses import hann, spectrum

WINDOWS = (256, 512, 1024)  # samples
CHANNELS = (16, 24, 32, 32)
KERNELS = ((3, 7), (3, 5), (3, 5), (3, 3))  # frames, bins
STRIDES = ((1, 2), (2, 2), (1, 2), (1, 1))
FLOOR = 1e-4  # power of a bin that is added before the logarithm; the mean power of bins is 1
SLOPE = 0.2  # of the activation for negative inputs


class Conv(nnx.Module):
    """Convolution over frames and bins."""

    def __init__(self, cin: int, cout: int, kernel: tuple[int, int], stride: tuple[int, int], *, rngs: nnx.Rngs):
        bound = (2 / (cin * kernel[0] * kernel[1])) ** 0.5
        self.kernel = nnx.Param(bound * jax.random.normal(rngs.params(), (*kernel, cin, cout)))
        self.bias = nnx.Param(jnp.zeros(cout))
        self.stride = stride

    def __call__(self, x: jax.Array) -> jax.Array:
        """Return (B, F', K', C') of x (B, F, K, C): the output at the first of each `stride` frames and bins.

        As one product of matrices, convolution has a gradient that is fast on CPUs.
        """
        (h, w), (down, across) = self.kernel.shape[:2], self.stride
        F, K = x.shape[1:3]
        padded = jnp.pad(x, ((0, 0), (h // 2, h // 2), (w // 2, w // 2), (0, 0)))
        taps = [padded[:, i : i + F : down, j : j + K : across] for i in range(h) for j in range(w)]
        kernel = self.kernel[...].reshape(-1, self.kernel.shape[-1])
        return jnp.concatenate(taps, axis=-1) @ kernel + self.bias[...]


class SpectralDiscriminator(nnx.Module):
    """Score spectrograms of one window length: about 1 for recordings and 0 for decoded speech."""

    def __init__(self, W: int, *, rngs: nnx.Rngs):
        sizes = zip((2, *CHANNELS), CHANNELS, KERNELS, STRIDES, strict=False)
        self.layers = nnx.List([Conv(*size, rngs=rngs) for size in sizes])
        self.last = Conv(CHANNELS[-1], 1, (3, 3), (1, 1), rngs=rngs)
        self.W = W

    def __call__(self, x: jax.Array) -> list[jax.Array]:
        """Return the outputs of all layers for speech (B, N) of power 1; the last one holds the scores."""
        X = spectrum(x, self.W)
        level = 0.5 * jnp.log((X.real**2 + X.imag**2) / np.sum(hann(self.W) ** 2) + FLOOR)
        place = jnp.broadcast_to(jnp.linspace(-1, 1, level.shape[-1], dtype=level.dtype), level.shape)
        h, outputs = jnp.stack([0.5 * level + 1, place], axis=-1), []
        for layer in self.layers:
            h = nnx.leaky_relu(layer(h), SLOPE)
            outputs.append(h)
        return [*outputs, self.last(h)]


class Discriminators(nnx.Module):
    """Hold one discriminator for each window length."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.parts = nnx.List([SpectralDiscriminator(W, rngs=rngs) for W in WINDOWS])

    def __call__(self, x: jax.Array) -> list[list[jax.Array]]:
        """Return the outputs of all layers of all discriminators for speech (B, N)."""
        return [part(x) for part in self.parts]


def discriminator_loss(real: list[list[jax.Array]], decoded: list[list[jax.Array]]) -> jax.Array:
    """Return the loss of the discriminators: squared distance of scores from 1 and 0.

    References
    ----------
    X. Mao et al., "Least squares generative adversarial networks", ICCV 2017, eq. 9.
    """
    terms = [((1 - r[-1]) ** 2).mean() + (d[-1] ** 2).mean() for r, d in zip(real, decoded, strict=True)]
    return jnp.stack(terms).mean()


def adversarial_loss(decoded: list[list[jax.Array]]) -> jax.Array:
    """Return the loss of the decoder: squared distance of the scores of decoded speech from 1 (the same eq. 9)."""
    return jnp.stack([((1 - d[-1]) ** 2).mean() for d in decoded]).mean()


def feature_loss(real: list[list[jax.Array]], decoded: list[list[jax.Array]]) -> jax.Array:
    """Return the mean absolute difference of hidden outputs, relative to the magnitude of those of the recording.

    References
    ----------
    K. Kumar et al., "MelGAN", NeurIPS 2019, eq. 4; relative as in A. Défossez et al., "High fidelity neural audio
    compression" (2022), 3.4.
    """
    terms = [
        jnp.abs(r - d).mean() / (jnp.abs(r).mean() + 1e-6)
        for rs, ds in zip(real, decoded, strict=True)
        for r, d in zip(rs[:-1], ds[:-1], strict=True)
    ]
    return jnp.stack(terms).mean()
