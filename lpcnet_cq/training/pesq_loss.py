"""PESQ-style loss: audible differences of loudness between decoded and original speech.

Place in the chain: training only, beside `losses`. It computes the power in bands of half a Bark, the loudness by
Zwicker's law, and the difference of loudness that exceeds the masking. Two disturbances are computed: a symmetric one,
and an asymmetric one of added components only. The loss follows P.862 with three differences: bands are those of the
Bark scale of `dsp`, the long-term spectrum is not equalised, and a single root mean square averages over time.

Letters: B batch, N samples, F frames, b bands, P power, L loudness, d difference of loudness.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from dsp.psychoacoustics import hz_to_bark, threshold_in_quiet_db

WINDOW_S = 0.032
BARK_PER_BAND = 0.5
SPEECH_POWER = 1e7  # 70 dB SPL, the level to which speech is scaled
ZWICKER_POWER, SONE = 0.23, 0.1866
DEAD_ZONE = 0.25  # share of the smaller loudness that masks a difference
LEAK = 0.02  # weight of differences within the dead zone, so that the gradient is not zero there
WEIGHTS = (0.1, 0.0309)  # weights of symmetric and asymmetric disturbance, P.862, 10.3


@lru_cache
def half_bark_bands(sample_rate_hz: int, n_fft: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 1 where a line belongs to a band, else 0, (n_fft/2+1, b); threshold powers and Zwicker exponents (b,)."""
    f = np.arange(n_fft // 2 + 1) * sample_rate_hz / n_fft
    z = np.asarray(hz_to_bark(f))
    index = np.floor(z / BARK_PER_BAND).astype(int)
    used = np.unique(index[1:])  # low bands are narrower than the distance of lines, and some contain no line
    member = (index[:, None] == used) & (f[:, None] > 0)
    centre = (used + 0.5) * BARK_PER_BAND
    line = np.array([np.mean(f[m]) for m in member.T])
    threshold = 10 ** (np.asarray(threshold_in_quiet_db(line.clip(50.0))) / 10)
    below = np.where(centre < 4, np.minimum(6 / (centre + 2), 2), 1.0)  # P.862, 10.2.6: larger exponents below 4 Bark
    return member.astype(np.float32), threshold.astype(np.float32), (ZWICKER_POWER * below**0.15).astype(np.float32)


def band_powers(x: jax.Array, sample_rate_hz: int) -> jax.Array:
    """Return band powers (B, F, b) of Hann windows with half overlap, without calibration of the level."""
    W = round(WINDOW_S * sample_rate_hz)
    hop = W // 2
    blocks = x[:, : x.shape[1] // hop * hop].reshape(x.shape[0], -1, hop)
    frames = jnp.concatenate([blocks[:, :-1], blocks[:, 1:]], axis=-1) * np.hanning(W + 1)[:-1].astype(np.float32)
    X = jnp.fft.rfft(frames)
    return (X.real**2 + X.imag**2) @ half_bark_bands(sample_rate_hz, W)[0]


def loudness(P: jax.Array, threshold: np.ndarray, exponent: np.ndarray) -> jax.Array:
    """Return the loudness of band powers in sone per band, 0 below the threshold.

    References
    ----------
    E. Zwicker and R. Feldtkeller (1967), as in ITU-T P.862 (2001), 10.2.6.
    """
    audible = 0.5 + 0.5 * jnp.maximum(P / threshold, 1.0)
    return (audible**exponent - 1.0) * (SONE * (threshold / 0.5) ** exponent)


def pesq_loss(x: jax.Array, y: jax.Array, sample_rate_hz: int) -> jax.Array:
    """Return the reduction of the raw PESQ score from its maximum of 4.5, (B,).

    Parameters
    ----------
    x, y : arrays (B, N)
        Speech and decoded speech.
    sample_rate_hz : int

    References
    ----------
    ITU-T P.862 (2001), 10.2.4 to 10.2.10; J. Martin-Donas et al., "A deep learning loss function based on the
    perceptual evaluation of the speech quality", IEEE SPL 25 (2018), for its use in training.
    """
    _, threshold, exponent = half_bark_bands(sample_rate_hz, round(WINDOW_S * sample_rate_hz))
    P_x, P_y = band_powers(x, sample_rate_hz), band_powers(y, sample_rate_hz)
    level = SPEECH_POWER / (jnp.mean(P_x.sum(-1), axis=-1) + 1e-6)[:, None, None]
    P_x, P_y = P_x * level, P_y * level
    ratio = ((P_x.sum(-1) + 5e3) / (P_y.sum(-1) + 5e3)).clip(3e-4, 5.0)  # partial compensation of slow gain changes
    before = jnp.concatenate([ratio[:, :1], ratio[:, :-1]], axis=1)
    P_y = P_y * (0.8 * ratio + 0.2 * before)[..., None]
    L_x, L_y = loudness(P_x, threshold, exponent), loudness(P_y, threshold, exponent)
    d = jnp.abs(L_y - L_x)
    d = jnp.maximum(d - DEAD_ZONE * jnp.minimum(L_x, L_y), LEAK * d)
    asymmetry = ((P_y + 50.0) / (P_x + 50.0)) ** 1.2
    asymmetry = jnp.where(asymmetry < 3.0, 0.0, jnp.minimum(asymmetry, 12.0))
    width, total = BARK_PER_BAND, BARK_PER_BAND * len(threshold)
    symmetric = total * jnp.sqrt(jnp.sum((width * d) ** 2, axis=-1) / total + 1e-9)
    asymmetric = jnp.sum(width * d * asymmetry, axis=-1)
    quiet = ((P_x.sum(-1) + 1e5) / SPEECH_POWER) ** 0.04

    def over_time(D_frame):
        return jnp.sqrt(jnp.mean(jnp.minimum(D_frame / quiet, 45.0) ** 2, axis=-1) + 1e-9)

    return WEIGHTS[0] * over_time(symmetric) + WEIGHTS[1] * over_time(asymmetric)
