"""Psychoacoustic losses: terms that depend on the ratio of signal and error to the masking threshold.

Place in the chain: training only, beside `losses`. Thresholds are computed by `dsp.psychoacoustics` on an absolute
scale, `FULL_SCALE_DB`, in the thread that computes batches. Spectra of signal and error are computed here on the same
scale, in the same frames. If the scales were different, the weights would be about 10^-9, and the maximum of the
noise-to-mask ratio would never exceed 1.

Letters: B signals, N samples, F frames, K lines, p and m levels of signal and threshold in dB SPL, P and M the same as
powers, n the power of the error, b critical bands.
"""

import jax
import jax.numpy as jnp
import numpy as np

from dsp.psychoacoustics import N_FFT, masking
from dsp.psychoacoustics_maskers import spectral_lines
from lpcnet_cq.music.constants import FULL_SCALE_DB
from lpcnet_cq.training.config import Loss

HOP = N_FFT  # samples between frames, without overlap to save time; crops begin at random positions
FLOOR = 0.1  # power, -10 dB SPL: below every threshold, so that the level of a silent line is finite
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
    one_sided = np.r_[0.5, np.ones(half - 1), 0.5].astype(np.float32)  # lines at 0 Hz and fs/2 exist only once
    return (X.real**2 + X.imag**2) * one_sided


def priority(P: jax.Array, P_hat: jax.Array, M: jax.Array) -> jax.Array:
    """Return the priority weighting of a batch: mean of w (p - p_hat)^2, with larger w for loud and unmasked lines.

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
    """Return the noise modulation of every frame, (B, F): the largest excess of the error over the threshold.

    L = max over f of ReLU(n / m - 1), which is zero if all noise is masked.

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
    """Return 1 where a line belongs to a critical band, else 0, float32 (K, b)."""
    lines = spectral_lines(sample_rate_hz)
    index = np.searchsorted(lines.band_start, np.arange(len(lines.bark)), side="right")
    return (index[:, None] == np.arange(1, len(lines.band_start) + 1)).astype(np.float32)


def audible(n: jax.Array, P: jax.Array, M: jax.Array, sample_rate_hz: int) -> jax.Array:
    """Return the mean audible noise of critical bands in bel.

    L = mean of log10(1 + min(sum over a band of n / m, sum of p / m)). This is the noise-to-mask ratio in bel if noise
    is audible, and about zero far below the threshold. Unlike a maximum, it has a gradient in every band. The minimum
    limits noise to the level of the signal: at low bitrates, noise of the right level has twice the error of a
    spectral hole but sounds better.

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

    The noise modulation is the mean of log10(1 + L). Without the logarithm, a frame with noise 30 dB above the
    threshold would have the weight of a thousand frames with noise slightly above it.

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
    inner = slice(1, F - 1)  # the frames at both ends extend beyond the signals
    P, P_hat, n, M = (a[:, inner] for a in (P, P_hat, n, 10 ** (mask_db[:, :F] / 10)))
    return {
        "priority": priority(P, P_hat, M),
        "modulation": jnp.mean(jnp.log10(1 + modulation(n, M))),
        "audible": audible(n, P, M, sample_rate_hz),
    }


def weighted_terms(terms: dict[str, jax.Array], loss: Loss) -> jax.Array:
    """Return the weighted sum of the results of `psychoacoustic_terms`."""
    weights = {"priority": loss.priority, "modulation": loss.modulation, "audible": loss.audible}
    return sum((weights[name] * term for name, term in terms.items()), jnp.float32(0))
