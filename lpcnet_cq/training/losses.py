"""Losses on synthesised speech: weighted noise-to-signal ratio, log-mel and compressed-spectrum distances.

Place in the chain: training only. All losses compare outputs of 1/A(z), so that their gradients reach the residual
coder and the LSF codebook through the synthesis filter.

Letters: B batch, N samples, F frames, W window length.
"""

from collections.abc import Iterable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from lpcnet_cq.speech.constants import GAMMA
from lpcnet_cq.speech.envelope import expand_bandwidth
from lpcnet_cq.speech.filters import residual
from lpcnet_cq.training.mel import mel_bank

MEL_BANDS = {128: 12, 256: 20, 512: 40, 1024: 64, 2048: 80}  # number of bands by window length in samples
SPECTRUM_WINDOWS = (256, 512, 1024)  # samples
COMPRESSION = 0.3  # exponent of amplitudes, about that of loudness
SPECTRUM_FLOOR = 1e-5  # added to the power of a bin; the mean power of bins is 1
MEL_FLOOR = 3e-6  # amplitude, full scale 1: below the noise of 16-bit quantisation in every band
ENERGY_POWER = 0.2  # exponent of the energy in the weights of segments


def spectrum(x: jax.Array, W: int) -> jax.Array:
    """Return the complex spectrum (B, F, W/2+1) of periodic Hann windows, hop W/4."""
    hop = W // 4
    blocks = x[:, : x.shape[1] // hop * hop].reshape(x.shape[0], -1, hop)
    F = blocks.shape[1] - 3
    frames = jnp.concatenate([blocks[:, i : i + F] for i in range(4)], axis=-1)
    return jnp.fft.rfft(frames * hann(W))


@lru_cache
def hann(W: int) -> np.ndarray:
    """Return the periodic Hann window."""
    return np.hanning(W + 1)[:-1].astype(np.float32)


@lru_cache
def mel_matrix(sample_rate_hz: int, W: int) -> np.ndarray:
    """Return triangular mel filters of unit sum, shape (W/2+1, bands)."""
    m = mel_bank(MEL_BANDS[W], W, sample_rate_hz)
    return (m / np.maximum(m.sum(axis=0), 1e-9)).astype(np.float32)


def log_mel(x: jax.Array, sample_rate_hz: int, W: int) -> jax.Array:
    """Return natural log amplitudes per mel band, shape (B, F, bands), hop W/4, periodic Hann window."""
    X = spectrum(x, W)
    power = (X.real**2 + X.imag**2) * (4 / hann(W).sum() ** 2)  # a sine of amplitude 1 has power 1
    return 0.5 * jnp.log(power @ mel_matrix(sample_rate_hz, W) + MEL_FLOOR**2)


def mel_loss(x: jax.Array, y: jax.Array, sample_rate_hz: int, windows: Iterable[int] = MEL_BANDS) -> jax.Array:
    """Return the mean absolute log-mel distance (natural log), averaged over window lengths in samples."""
    d = [jnp.mean(jnp.abs(log_mel(x, sample_rate_hz, W) - log_mel(y, sample_rate_hz, W))) for W in windows]
    return jnp.stack(d).mean()


def level_loss(x: jax.Array, y: jax.Array, sample_rate_hz: int, W: int = 512) -> jax.Array:
    """Return the mean absolute difference of the levels of mel bands over whole signals (natural log of amplitudes).

    Distances of single frames do not show that a band is too low on average where details cannot be predicted.
    """

    def levels(v):
        X = spectrum(v, W)
        power = (X.real**2 + X.imag**2).mean(axis=1) * (4 / hann(W).sum() ** 2)
        return 0.5 * jnp.log(power @ mel_matrix(sample_rate_hz, W) + MEL_FLOOR**2)

    return jnp.mean(jnp.abs(levels(x) - levels(y)))


def compressed_spectrum(x: jax.Array, W: int) -> jax.Array:
    """Return the amplitudes of bins to the power `COMPRESSION`, (B, F, W/2+1); about 1 for white noise of power 1."""
    X = spectrum(x, W)
    power = (X.real**2 + X.imag**2) / np.sum(hann(W) ** 2)
    return (power + SPECTRUM_FLOOR) ** (COMPRESSION / 2)


def spectrum_loss(x: jax.Array, y: jax.Array) -> jax.Array:
    """Return the mean absolute difference of compressed amplitudes of bins, averaged over three window lengths.

    In mel bands, noise between harmonics can compensate missing energy of harmonics; bins resolve this difference.

    Parameters
    ----------
    x, y : arrays (B, N)
        Speech and decoded speech at any level; both are scaled so that the power of `x` is 1.

    References
    ----------
    A. Ephrat et al., "Looking to listen at the cocktail party", ACM TOG 37 (2018), 4.2, for the exponent.
    """
    level = jax.lax.rsqrt(jnp.mean(x**2, axis=-1, keepdims=True) + 1e-8)
    x, y = level * x, level * y
    d = [jnp.mean(jnp.abs(compressed_spectrum(x, W) - compressed_spectrum(y, W))) for W in SPECTRUM_WINDOWS]
    return jnp.stack(d).mean()


def weighted_nsr(x: jax.Array, y: jax.Array, a: jax.Array, segment: int) -> jax.Array:
    """Return the mean log10 noise-to-signal ratio per segment, both weighted by W(z) = A(z/gamma).

    The weight of a segment is its energy to the power `ENERGY_POWER`.

    Parameters
    ----------
    x, y : arrays (B, N)
        Speech and decoded speech.
    a : array (B, S, M+1)
        LPC coefficients of the pre-emphasised speech.
    segment : int
        Samples per segment.
    """
    w = expand_bandwidth(a, GAMMA)
    zero = jnp.zeros((x.shape[0], a.shape[-1] - 1))
    return segment_nsr(residual(zero, x, w)[1], residual(zero, y - x, w)[1], segment)


def segment_nsr(x: jax.Array, noise: jax.Array, segment: int) -> jax.Array:
    """Return the mean log10 noise-to-signal ratio per segment, given signal and noise (B, N); weights as above."""
    s, n = ((v.reshape(x.shape[0], -1, segment) ** 2).mean(-1) for v in (x, noise))
    s, n = s + 1e-9, n + 1e-10
    weight = s**ENERGY_POWER
    return jnp.sum(weight * jnp.log10(n / s)) / jnp.sum(weight)
