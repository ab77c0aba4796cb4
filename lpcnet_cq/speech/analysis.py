"""LPC analysis of the encoder: one unquantised LSF vector per packet, computed with `dsp`.

Place in the chain: after the high-pass filter in the encoder; first block in training. Steps: pre-emphasis, 30 ms
window that ends 8 ms (the look-ahead) after the packet, autocorrelation, lag window, Levinson-Durbin recursion,
conversion to LSFs.

Tones, square waves and pulses get a less sharp envelope: 1/A(z) would amplify the quantisation noise of the residual
and the output of the networks, which never saw such resonances. Either the prediction gain shows them, which is above
33 dB for a sine and, but for a few vowels of high voices, below 33 dB for speech, or several pairs of close LSFs: the
sixth smallest distance is above 0.07 rad in 99.9 % of the packets of speech. Two tones have a gain of about 30 dB; they
count as tones where the encoder finds that the signal is steady, see `steady`.
"""

from functools import lru_cache

import numpy as np

from dsp.frames import FrameSpec
from dsp.lpc import autocorrelation, lag_window, levinson_durbin
from dsp.lsf import lpc_to_lsf

PREEMPHASIS = 0.68  # 3GPP TS 26.190, 5.1
LAG_WINDOW_HZ = 60.0
WHITE_NOISE = 1e-4  # -40 dB, the correction of TS 26.190, 5.2.1
TONE_GAIN_DB = 33.0  # prediction gain from which a packet counts as a tone
STEADY_GAIN_DB = 20.0  # the same where the signal is known to be steady
CLOSE, CLOSE_PAIRS = 0.07, 6  # or so many distances between neighbouring LSFs below this one (rad)
TONE_WHITE_NOISE = 3e-3  # the correction for tones: -25 dB
TONE_GAMMA = 0.92  # bandwidth expansion A(z/gamma) for tones
VERSION = 2  # of this analysis; part of the key of cached features


@lru_cache
def analysis_windows(spec: FrameSpec, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the window of the samples, and that of the autocorrelation with the white noise correction."""
    lags = lag_window(order, LAG_WINDOW_HZ, spec.sample_rate_hz)
    lags[0] *= 1 + WHITE_NOISE
    return np.hamming(spec.window), lags


def analyse_windows(
    windows: np.ndarray, spec: FrameSpec, order: int = 16, steady: np.ndarray | bool = False
) -> np.ndarray:
    """Return the LSFs of analysis windows.

    Parameters
    ----------
    windows : array (..., window + 1)
        Speech in [-1, 1]; only the pre-emphasis uses the first sample.
    spec : FrameSpec
    order : int
        LPC order M, even.
    steady : bool array (...,)
        Whether the signal is steady there.

    Returns
    -------
    float32 array (..., M), rad

    References
    ----------
    3GPP TS 26.190 (AMR-WB), 5.1 and 5.2.
    """
    hamming, lags = analysis_windows(spec, order)
    w = np.asarray(windows, np.float64)
    w = (w[..., 1:] - PREEMPHASIS * w[..., :-1]) * hamming
    r = autocorrelation(w, order) * lags
    r[..., 0] += 1e-9
    a, _, _ = levinson_durbin(r)
    residual = np.sum(r * a, axis=-1)  # energy of the prediction error
    lsf = lpc_to_lsf(a)
    close = np.count_nonzero(lsf[..., 1:] - lsf[..., :-1] < CLOSE, axis=-1)
    least_gain_db = np.where(steady, STEADY_GAIN_DB, TONE_GAIN_DB)
    tone = (residual < 10 ** (-least_gain_db / 10) * r[..., 0]) | (close >= CLOSE_PAIRS)
    if tone.any():
        r[tone, 0] *= 1 + TONE_WHITE_NOISE
        lsf[tone] = lpc_to_lsf(levinson_durbin(r[tone])[0] * TONE_GAMMA ** np.arange(order + 1))
    return lsf.astype(np.float32)


def analyse_lsf(x: np.ndarray, spec: FrameSpec, order: int = 16) -> np.ndarray:
    """Return one LSF vector per packet of a whole signal, shape (ceil(n_samples / hop), M).

    The signal is padded with zeros on both sides.

    Parameters
    ----------
    x : array (n_samples,)
        Speech in [-1, 1].
    spec : FrameSpec
    order : int
        LPC order M, even.
    """
    n = spec.n_frames(len(x))
    front = spec.window + 1 - spec.hop - spec.look_ahead
    total = n * spec.hop + spec.look_ahead
    padded = np.pad(np.asarray(x, np.float32)[:total], (front, max(0, total - len(x))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, spec.window + 1)[:: spec.hop]
    block = 2000  # windows per call, which bounds the memory for long signals
    return np.concatenate([analyse_windows(windows[i : i + block], spec, order) for i in range(0, n, block)])
