"""Losses on synthesised speech: weighted noise-to-signal ratio and log-mel distances.

Place in the chain: training only. Both see the output of 1/A(z), so that their gradients reach the residual coder
and the LSF codebook through the synthesis filter.

Letters: B batch, N samples, F frames, W window length.
"""

from collections.abc import Iterable
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from lpcnet_cq.envelope import expand_bandwidth
from lpcnet_cq.filters import residual

GAMMA = 0.92  # W(z) = A(z/gamma) on plain speech, A of pre-emphasised speech: 3GPP TS 26.190, 5.4
MEL_BANDS = {128: 12, 256: 20, 512: 40, 1024: 64, 2048: 80}  # window: bands
MEL_FLOOR = 3e-6  # amplitude, full scale 1: below one 16-bit step's noise in any band
ENERGY_POWER = 0.2  # how much louder segments weigh more


@lru_cache
def mel_matrix(sample_rate_hz: int, W: int) -> np.ndarray:
    """Return triangular mel filters of unit sum, shape (W/2+1, bands)."""
    from librosa.filters import mel

    m = mel(sr=sample_rate_hz, n_fft=W, n_mels=MEL_BANDS[W], norm=None).T
    return (m / np.maximum(m.sum(axis=0), 1e-9)).astype(np.float32)


def log_mel(x: jax.Array, sample_rate_hz: int, W: int) -> jax.Array:
    """Return natural log amplitudes per mel band, shape (B, F, bands), hop W/4, periodic Hann window."""
    window = np.hanning(W + 1)[:-1].astype(np.float32)
    hop = W // 4
    blocks = x[:, : x.shape[1] // hop * hop].reshape(x.shape[0], -1, hop)
    F = blocks.shape[1] - 3
    frames = jnp.concatenate([blocks[:, i : i + F] for i in range(4)], axis=-1) * window
    X = jnp.fft.rfft(frames)
    power = (X.real**2 + X.imag**2) * (4 / window.sum() ** 2)  # a sine of amplitude 1 has power 1
    return 0.5 * jnp.log(power @ mel_matrix(sample_rate_hz, W) + MEL_FLOOR**2)


def mel_loss(x: jax.Array, y: jax.Array, sample_rate_hz: int, windows: Iterable[int] = MEL_BANDS) -> jax.Array:
    """Return the mean absolute log-mel distance in neper, mean over some resolutions, windows of so many samples."""
    d = [jnp.mean(jnp.abs(log_mel(x, sample_rate_hz, W) - log_mel(y, sample_rate_hz, W))) for W in windows]
    return jnp.stack(d).mean()


def weighted_nsr(x: jax.Array, y: jax.Array, a: jax.Array, segment: int) -> jax.Array:
    """Return the mean log10 noise-to-signal ratio per segment, both weighted by W(z) = A(z/gamma).

    Louder segments weigh more, by the power `ENERGY_POWER` of their energy.

    Parameters
    ----------
    x, y : arrays (B, N)
        Speech and decoded speech.
    a : array (B, S, M+1)
        LPC of the (pre-emphasised) speech.
    segment : int
        Samples per segment.
    """
    w = expand_bandwidth(a, GAMMA)
    zero = jnp.zeros((x.shape[0], a.shape[-1] - 1))
    return segment_nsr(residual(zero, x, w)[1], residual(zero, y - x, w)[1], segment)


def segment_nsr(x: jax.Array, noise: jax.Array, segment: int) -> jax.Array:
    """Return the mean log10 ratio of noise to signal, both (B, N), per segment; louder segments weigh more."""
    s, n = ((v.reshape(x.shape[0], -1, segment) ** 2).mean(-1) for v in (x, noise))
    s, n = s + 1e-9, n + 1e-10
    weight = s**ENERGY_POWER
    return jnp.sum(weight * jnp.log10(n / s)) / jnp.sum(weight)
