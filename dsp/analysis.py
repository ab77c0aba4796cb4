"""Linear prediction of a whole signal in one call, and its exact inverse.

Place in the chain: the whole chain. Analysis consists of pre-emphasis, framing, autocorrelation with lag window and
white noise correction, Levinson-Durbin recursion, line spectral frequencies, and residual. Synthesis filters the
residual by 1/A(z). Delay: that of `spec`.

Notation: M order, T frames.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, instance, integer_in, number_in
from dsp._floating_point import usual_errors
from dsp.filters import direct_analysis, direct_synthesis
from dsp.frames import FrameSpec, frame
from dsp.lpc import (
    autocorrelation,
    deemphasis,
    lag_window,
    levinson_durbin,
    preemphasis,
    white_noise_correction,
)
from dsp.lsf import lpc_to_lsf
from dsp.signals import checked_signal

_BLOCK = 256  # windows per step, which bounds the memory for long signals


@dataclass(frozen=True, eq=False)
class Analysis:
    """Hold the result of `analyze`; use `dataclasses.replace` to change a part.

    `synthesize` uses only `residual`, `lpc`, `preemphasis_mu` and `n_samples`. The other arrays describe the same
    filters; they do not change if `lpc` is replaced.

    Attributes
    ----------
    spec : FrameSpec
        Framing of the signal.
    n_samples : int
        Length of the signal.
    preemphasis_mu : float
        mu of the pre-emphasis 1 - mu z^-1 that was applied to the signal.
    lpc : ndarray, shape (..., T, M + 1)
        Coefficients of A(z), minimum phase.
    gain : ndarray, shape (..., T)
        Root mean square of the prediction error under the window: gain / |A| is the spectral envelope.
    residual : ndarray, shape (..., T, hop)
        e = A(z) x; the state of the filter continues from frame to frame.
    lsf : ndarray, shape (..., T, M)
        Line spectral frequencies in rad.
    reflection : ndarray, shape (..., T, M)
        Reflection coefficients, within (-1, 1).
    prediction_gain_db : ndarray, shape (..., T)
        Ratio of the power of the windowed frame to that of its prediction error; 0 for silence.
    """

    spec: FrameSpec
    n_samples: int
    preemphasis_mu: float
    lpc: np.ndarray
    gain: np.ndarray
    residual: np.ndarray
    lsf: np.ndarray
    reflection: np.ndarray
    prediction_gain_db: np.ndarray


def analyze(
    x: ArrayLike,
    spec: FrameSpec,
    order: int = 16,
    *,
    taper: ArrayLike | None = None,
    preemphasis_mu: float = 0.0,
    lag_window_hz: float = 0.0,
    white_noise: float = 1e-9,
) -> Analysis:
    """Return predictor, residual and related parameters of every frame of a signal.

    Parameters
    ----------
    x : array (..., n_samples)
        At least one sample; leading axes are channels or files. Floats of any scale; int16 or int32, which are divided
        by 2^15 or 2^31. An array (n_samples, channels), as in audio files, is refused: pass its transpose.
    spec : FrameSpec
        `window` is the length of the analysis window, `hop` the length of a frame of the residual.
    order : int, 1..window-1
        M.
    taper : array (window,), optional
        Window function; a Hamming window if None.
    preemphasis_mu : float, 0..1
        mu of the pre-emphasis 1 - mu z^-1. All results describe the filtered signal; `synthesize` undoes it.
    lag_window_hz : float >= 0
        Bandwidth f0 of `dsp.lpc.lag_window`; 60 in AMR-WB.
    white_noise : float >= 0
        Fraction of `dsp.lpc.white_noise_correction`; 1e-4 in AMR-WB.

    Returns
    -------
    Analysis

    Raises
    ------
    ValueError
        If `x` is empty, not finite, of another type, or has time as its first axis, or another argument is out of
        range.

    Examples
    --------
    >>> x = np.sin(0.3 * np.arange(1000))
    >>> found = analyze(x, FrameSpec(), order=2)
    >>> found.lpc.shape, bool(found.prediction_gain_db[1] > 30)
    ((4, 3), True)
    >>> np.allclose(synthesize(found), x, rtol=0, atol=1e-9)
    True

    References
    ----------
    J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63 (1975).
    """
    instance("spec", spec, FrameSpec)
    x = checked_signal("x", x, channels_last=False, limit=None)
    if x.shape[-1] == 0:
        raise ValueError(f"`x` has shape {x.shape}, it must hold at least one sample")
    M, mu = integer_in("order", order, 1, spec.window - 1), number_in("preemphasis_mu", preemphasis_mu, 0, 1)
    taper = np.hamming(spec.window) if taper is None else finite("taper", taper)
    if taper.shape != (spec.window,) or not taper.any():
        raise ValueError(f"`taper` has shape {taper.shape}, it must be ({spec.window},) and not all zero")
    widening = lag_window(M, number_in("lag_window_hz", lag_window_hz, 0), spec.sample_rate_hz)
    floor = number_in("white_noise", white_noise, 0)

    with usual_errors():
        y = preemphasis(x, mu)
        r = white_noise_correction(_autocorrelation(frame(y, spec), taper, M) * widening, floor)
        a, error, k = levinson_durbin(r)
        whole = np.pad(y, [(0, 0)] * (y.ndim - 1) + [(0, a.shape[-2] * spec.hop - y.shape[-1])])
        e, _ = direct_analysis(whole, a)
        return Analysis(
            spec=spec,
            n_samples=x.shape[-1],
            preemphasis_mu=mu,
            lpc=a,
            gain=np.sqrt(error / np.square(taper).sum()),
            residual=e.reshape(*a.shape[:-1], spec.hop),
            lsf=lpc_to_lsf(a),
            reflection=k,
            prediction_gain_db=_ratio_db(r[..., 0], error),
        )


def synthesize(analysis: Analysis) -> np.ndarray:
    """Return the signal of an analysis: the residual is filtered by 1/A(z) and de-emphasised.

    Parameters
    ----------
    analysis : Analysis
        From `analyze`, possibly changed by `dataclasses.replace`.

    Returns
    -------
    float64 array (..., n_samples)
        Equal to the analysed signal with an SNR of more than 120 dB if nothing was changed.

    Raises
    ------
    ValueError
        If shapes do not match or a value is not finite.

    Examples
    --------
    >>> from dataclasses import replace
    >>> found = analyze([1.0, 2.0, 3.0], FrameSpec(window=4, hop=2, look_ahead=0, subframe=1), order=1)
    >>> synthesize(found).round(9).tolist()
    [1.0, 2.0, 3.0]
    >>> synthesize(replace(found, residual=2 * found.residual)).round(9).tolist()
    [2.0, 4.0, 6.0]
    """
    instance("analysis", analysis, Analysis)
    e = finite("residual", analysis.residual, min_ndim=2)
    x, _ = direct_synthesis(e.reshape(*e.shape[:-2], -1), analysis.lpc)
    return deemphasis(x, analysis.preemphasis_mu)[..., : analysis.n_samples]


def _autocorrelation(windows, taper, M):
    r = np.empty((*windows.shape[:-1], M + 1))
    for t in range(0, windows.shape[-2], _BLOCK):
        block = (..., slice(t, t + _BLOCK), slice(None))
        r[block] = autocorrelation(windows[block] * taper, M)
    return r


def _ratio_db(power, error):
    ratio = power / np.where(power > 0, np.maximum(error, 1e-16 * power), 1.0)
    return 10 * np.log10(np.where(power > 0, ratio, 1.0))
