"""Interpolate predictors between frames, to get one filter per subframe.

Place in the chain: from filters of analysed or decoded frames to filters of subframes. In all domains of this module,
linear interpolation between two stable filters gives stable filters. This is not true for predictor coefficients.
Delay: none, because a frame is interpolated with the previous one.

Notation: M order, T frames, S subframes.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, predictor, shown
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
    """Return linear interpolations between the vectors of consecutive frames.

    Parameters
    ----------
    v : array (..., T, M)
    fractions : array (S,), 0..1
        Weight of the frame: 0 gives the previous frame, 1 the frame itself.
    previous : array (..., M), optional
        Vector of the frame before the first one; the first vector itself if None.

    Returns
    -------
    float64 array (..., T, S, M)

    Raises
    ------
    ValueError
        If shapes do not match, a fraction is out of range, or a value is not finite.

    Examples
    --------
    >>> interpolate([[1.0], [3.0]], [0.5, 1.0])[..., 0].tolist()
    [[1.0, 1.0], [2.0, 3.0]]
    """
    v, f = finite("v", v, 2), finite("fractions", fractions)
    if f.ndim != 1:
        raise ValueError(f"`fractions` has shape {f.shape}, it must have one axis")
    if ((f < 0) | (f > 1)).any():
        raise ValueError(f"`fractions` has values from {f.min():g} to {f.max():g}, they must be from 0 to 1")
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
    """Return the predictors of subframes, interpolated in a domain that keeps them stable.

    Parameters
    ----------
    a : array (..., T, M+1)
        Predictors of stable filters 1/A(z), with M of at least 1.
    fractions : array (S,), 0..1
        As in `interpolate`; see `subframe_fractions` and `AMRWB_FRACTIONS`.
    domain : str
        "lsf": line spectral frequencies; "isf": immittance spectral frequencies; "isp": their cosines, as in AMR-WB;
        "reflection": reflection coefficients; "log-area": log-area ratios; "autocorrelation": that of the impulse
        responses, normalised to unit power.
    previous : array (..., M+1), optional
        Predictor of the frame before the first one; the first predictor itself if None.

    Returns
    -------
    float64 array (..., T, S, M+1)

    Raises
    ------
    ValueError
        As `interpolate`, and if a predictor is not stable or the domain is unknown.

    Examples
    --------
    >>> interpolate_lpc([[1.0, 0.0], [1.0, 0.8]], [0.5, 1.0], "reflection")[1].tolist()
    [[1.0, 0.4], [1.0, 0.8]]

    References
    ----------
    K. Paliwal, "Interpolation properties of linear prediction parametric representations", Eurospeech 1995;
    3GPP TS 26.190, 5.2.6.
    """
    if not isinstance(domain, str) or domain not in _DOMAINS:
        raise ValueError(f"`domain` is {shown(domain)}, it must be one of {', '.join(map(repr, _DOMAINS))}")
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
