"""Interpolation of predictors between frames, for one filter per subframe.

Place in the chain: analysed or decoded frames in, subframe filters out. In all domains of this module, linear
interpolation between two stable filters gives stable filters. This is not true for the coefficients themselves. Delay:
none, because a frame is interpolated with the one before it.

Letters: M order, T frames, S subframes.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, predictor
from dsp.isf import isf_to_lpc, lpc_to_isf
from dsp.lpc import levinson_durbin
from dsp.lsf import lpc_to_lsf, lsf_to_lpc
from dsp.reflection import (
    log_area_to_reflection,
    lpc_to_reflection,
    reflection_to_log_area,
    reflection_to_lpc,
)
from dsp.spectrum import lpc_to_autocorrelation

AMRWB_FRACTIONS = (0.45, 0.8, 0.96, 1.0)
"""Interpolation weights of the new frame in the four subframes of AMR-WB (3GPP TS 26.190, 5.2.6)."""


def subframe_fractions(n_subframes: int) -> np.ndarray:
    """Return equally spaced weights of the new frame, 1/S, 2/S .. 1.

    Parameters
    ----------
    n_subframes : int >= 1
        S.

    Returns
    -------
    float64 array (S,)

    Raises
    ------
    ValueError
        If `n_subframes` is below 1.

    Examples
    --------
    >>> subframe_fractions(4).tolist()
    [0.25, 0.5, 0.75, 1.0]
    """
    S = integer_in("n_subframes", n_subframes, 1)
    return np.arange(1, S + 1) / S


def interpolate(v: ArrayLike, fractions: ArrayLike, previous: ArrayLike | None = None) -> np.ndarray:
    """Return linear interpolations between the vectors of consecutive frames, at given fractions.

    Parameters
    ----------
    v : array (..., T, M)
    fractions : array (S,), 0..1
        0 is the frame before, 1 the frame itself.
    previous : array (..., M), optional
        Vector before the first; if None, the first vector itself.

    Returns
    -------
    float64 array (..., T, S, M)

    Raises
    ------
    ValueError
        If shapes do not go together, a fraction is out of range, or a value is not finite.

    Examples
    --------
    >>> interpolate([[1.0], [3.0]], [0.5, 1.0])[..., 0].tolist()
    [[1.0, 1.0], [2.0, 3.0]]
    """
    v, f = finite("v", v, 2), finite("fractions", fractions)
    if f.ndim != 1 or ((f < 0) | (f > 1)).any():
        raise ValueError(f"`fractions` of shape {f.shape} must be one axis of numbers within 0 to 1")
    first = v[..., :1, :] if previous is None else finite("previous", previous)[..., None, :]
    if previous is not None and first.shape != (*v.shape[:-2], 1, v.shape[-1]):
        expected = (*v.shape[:-2], v.shape[-1])
        raise ValueError(f"`previous` has shape {np.shape(previous)}, it must be {expected}")
    before = np.concatenate([first, v], axis=-2)[..., : v.shape[-2], :]
    f = f[:, None]
    return (1 - f) * before[..., None, :] + f * v[..., None, :]


def interpolate_lpc(
    a: ArrayLike, fractions: ArrayLike, domain: str = "lsf", previous: ArrayLike | None = None
) -> np.ndarray:
    """Return the predictors of subframes, interpolated in a domain in which all of them are stable.

    Parameters
    ----------
    a : array (..., T, M+1)
        Of stable 1/A(z), M at least 1.
    fractions : array (S,), 0..1
        As in `interpolate`; see `subframe_fractions` and `AMRWB_FRACTIONS`.
    domain : str
        "lsf" line spectral frequencies, "isf" immittance spectral frequencies, "isp" their cosines as in AMR-WB,
        "reflection" coefficients, "log-area" ratios, or "autocorrelation" of impulse responses of unit power.
    previous : array (..., M+1), optional
        The predictor before the first; if None the first itself.

    Returns
    -------
    float64 array (..., T, S, M+1)

    Raises
    ------
    ValueError
        As `interpolate`, if a predictor is not stable, or the domain is none of those.

    Examples
    --------
    >>> interpolate_lpc([[1.0, 0.0], [1.0, 0.8]], [0.5, 1.0], "reflection")[1].tolist()
    [[1.0, 0.4], [1.0, 0.8]]

    References
    ----------
    K. Paliwal, "Interpolation properties of linear prediction parametric representations", Eurospeech 1995;
    3GPP TS 26.190, 5.2.6.
    """
    if domain not in _DOMAINS:
        raise ValueError(f"`domain` is {domain!r}, it must be one of {', '.join(map(repr, _DOMAINS))}")
    a = predictor("a", a, 2)
    if a.shape[-1] < 2:
        raise ValueError(f"`a` has shape {a.shape}, its order must be at least 1")
    forward, backward = _DOMAINS[domain]
    if previous is not None:
        previous = forward(predictor("previous", previous))
    return backward(interpolate(forward(a), fractions, previous))


def _lpc_to_isp(a):
    return np.cos(lpc_to_isf(a))


def _isp_to_lpc(q):
    return isf_to_lpc(np.arccos(q))


def _lpc_to_log_area(a):
    return reflection_to_log_area(lpc_to_reflection(a))


def _log_area_to_lpc(g):
    return reflection_to_lpc(log_area_to_reflection(g))


def _unit_autocorrelation(a):
    r = lpc_to_autocorrelation(a)
    return r / r[..., :1]


def _autocorrelation_to_lpc(r):
    return levinson_durbin(r)[0]


_DOMAINS = {
    "lsf": (lpc_to_lsf, lsf_to_lpc),
    "isf": (lpc_to_isf, isf_to_lpc),
    "isp": (_lpc_to_isp, _isp_to_lpc),
    "reflection": (lpc_to_reflection, reflection_to_lpc),
    "log-area": (_lpc_to_log_area, _log_area_to_lpc),
    "autocorrelation": (_unit_autocorrelation, _autocorrelation_to_lpc),
}
