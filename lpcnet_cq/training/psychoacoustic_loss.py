"""Losses that know what the ear cannot hear: an error counts where it stands above the masking threshold.

Place in the chain: training only, beside `losses`. Thresholds come from `dsp.psychoacoustics` on one absolute scale,
`FULL_SCALE_DB`, and are computed in the thread that makes batches; spectra of signal and error are computed here on
the same scale, in the same frames. That scale is what makes the terms work: thresholds on one scale and spectra on
another make weights of 10^-9 and a maximum that is never above zero.

Letters: B signals, N samples, F frames, K lines, p and m levels of signal and threshold in dB SPL, P and M the same as
powers, n the power of the error, b critical bands.
"""

import jax
import jax.numpy as jnp
import numpy as np

from dsp.psychoacoustics import N_FFT, masking
from dsp.psychoacoustics_maskers import spectral_lines
from lpcnet_cq.training.config import Loss

FULL_SCALE_DB = 96.0  # SPL of a full-scale sinusoid
HOP = N_FFT  # samples from frame to frame: a quarter of the time of half overlap; crops begin anywhere
FLOOR = 0.1  # power, -10 dB SPL: below every threshold, so that a silent line has a level
WINDOW = np.sqrt(8 / 3) * np.hanning(N_FFT + 1)[:-1] / N_FFT * 2 * 10 ** (FULL_SCALE_DB / 20)


def threshold_db(x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Return the masking thresholds of signals (..., N) in [-1, 1]: float32 (..., F, K), dB SPL.

    Frame t is centred on sample t * HOP; there are 1 + N // HOP.

    References
    ----------
    ISO/IEC 11172-3:1993, annex D.1; see `dsp.psychoacoustics`.
    """
    return masking(x, sample_rate_hz, FULL_SCALE_DB, HOP).threshold_db.astype(np.float32)


def power(x: jax.Array) -> jax.Array:
    """Return the powers of the lines of signals (B, N), (B, F, K), in the frames and on the scale of `threshold_db`."""
    half = N_FFT // 2
    padded = jnp.pad(x[:, : x.shape[1] // HOP * HOP], ((0, 0), (half, half)))
    frames = padded.reshape(x.shape[0], -1, HOP) * jnp.asarray(WINDOW, jnp.float32)
    X = jnp.fft.rfft(frames)
    one_sided = np.r_[0.5, np.ones(half - 1), 0.5].astype(np.float32)  # 0 Hz and half the rate have one sign only
    return (X.real**2 + X.imag**2) * one_sided


def priority(P: jax.Array, P_hat: jax.Array, M: jax.Array) -> jax.Array:
    """Return the priority weighting of a batch: the mean of w (p - p_hat)^2, loud and unmasked lines first.

    w = log10(10^(0.1 p) / 10^(0.1 m) + 1),  L = mean of w (p - p_hat)^2, p in dB.

    Parameters
    ----------
    P, P_hat, M : arrays (B, F, K)
        Powers of the signal, of the decoded signal, and of the threshold.

    References
    ----------
    K. Zhen, M. S. Lee, J. Sung, S. Beack, M. Kim, "Psychoacoustic calibration of loss functions for efficient
    end-to-end neural audio coding", IEEE SPL 27 (2020), the term of priority weighting.
    """
    w = jnp.log10(P / M + 1)
    p, p_hat = 10 * jnp.log10(P + FLOOR), 10 * jnp.log10(P_hat + FLOOR)
    return jnp.mean(w * (p - p_hat) ** 2)


def modulation(n: jax.Array, M: jax.Array) -> jax.Array:
    """Return the noise modulation of every frame, (B, F): how far the worst line stands above the threshold.

    L = max over f of ReLU(n / m - 1): zero where all noise is masked.

    Parameters
    ----------
    n, M : arrays (B, F, K)
        Powers of the error and of the threshold.

    References
    ----------
    Zhen et al. (2020), the term of noise modulation.
    """
    return jnp.max(jax.nn.relu(n / M - 1), axis=-1)


def critical_bands(sample_rate_hz: int) -> np.ndarray:
    """Return which of the K lines belong to which critical band, float32 (K, b)."""
    lines = spectral_lines(sample_rate_hz)
    index = np.searchsorted(lines.band_start, np.arange(len(lines.bark)), side="right")
    return (index[:, None] == np.arange(1, len(lines.band_start) + 1)).astype(np.float32)


def audible(n: jax.Array, P: jax.Array, M: jax.Array, sample_rate_hz: int) -> jax.Array:
    """Return how far the noise of the critical bands stands above the threshold, mean over the batch, in bel.

    L = mean of log10(1 + min(sum over a band of n / m, sum of p / m)): the noise-to-mask ratio in bel where noise is
    heard, nothing far below the mask, and a gradient in every band, where a maximum has one in the worst line only.
    Noise counts as much as the signal at most: where a few bits are spent, noise of the right level in the place of
    the signal has twice the error of a hole, and sounds better.

    Parameters
    ----------
    n, P, M : arrays (B, F, K)
        Powers of the error, of the signal, and of the threshold.
    sample_rate_hz : int

    References
    ----------
    After J. Byun, S. Shin, Y. Park, J. Sung, S. Beack, "Development of a psychoacoustic loss function for the deep
    neural network (DNN)-based speech coder", Interspeech 2021: the mask-to-noise ratio band by band, on windowed
    frames of the overlap-added signal.
    """
    inside = critical_bands(sample_rate_hz)
    return jnp.mean(jnp.log10(1 + jnp.minimum((n / M) @ inside, (P / M) @ inside)))


def psychoacoustic_terms(x: jax.Array, y: jax.Array, mask_db: jax.Array, sample_rate_hz: int) -> dict[str, jax.Array]:
    """Return the three terms for decoded signals.

    The noise modulation enters as mean of log10(1 + L): frames whose noise stands 30 dB above the mask would otherwise
    outweigh a thousand frames with noise just above it.

    Parameters
    ----------
    x, y : arrays (B, N)
        Signals and decoded signals.
    mask_db : array (B, F, K)
        From `threshold_db` of the same N samples.
    sample_rate_hz : int
    """
    P, P_hat, n = power(x), power(y), power(y - x)
    F = P.shape[1]
    inner = slice(1, F - 1)  # the frames at both ends hang over the signals
    P, P_hat, n, M = (a[:, inner] for a in (P, P_hat, n, 10 ** (mask_db[:, :F] / 10)))
    return {
        "priority": priority(P, P_hat, M),
        "modulation": jnp.mean(jnp.log10(1 + modulation(n, M))),
        "audible": audible(n, P, M, sample_rate_hz),
    }


def weighted_terms(terms: dict[str, jax.Array], loss: Loss) -> jax.Array:
    """Return the sum of what `psychoacoustic_terms` returns, each term times its weight."""
    weights = {"priority": loss.priority, "modulation": loss.modulation, "audible": loss.audible}
    return sum((weights[name] * term for name, term in terms.items()), jnp.float32(0))
