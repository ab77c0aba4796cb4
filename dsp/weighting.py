"""Perceptual weighting: bandwidth expansion, and the filter W(z) = A(z/g1) / A(z/g2) with its inverse.

Place in the chain: around quantisation. W attenuates the error at formants, where it is masked, relative to the error
between formants. White noise filtered by 1/W has a spectrum that speech masks. The roots of A(z/g) are those of A(z)
times g.

Notation: M order, N samples, S blocks, g1 and g2 expansion factors.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import blocks, finite, number_in, positive, predictor, shown
from dsp.filters import direct_analysis, direct_synthesis


def expand_bandwidth(a: ArrayLike, gamma: ArrayLike) -> np.ndarray:
    """Return A(z/g), whose resonances are wider than those of A(z) by -ln(g) fs / pi in Hz.

    Parameters
    ----------
    a : array (..., M+1)
    gamma : array (...)
        g, above 0; broadcast against the leading axes. 1 has no effect, and 1/g inverts the operation.

    Returns
    -------
    float64 array (..., M+1)

    Raises
    ------
    ValueError
        If `a` is not a predictor or `gamma` is not positive.

    Examples
    --------
    >>> expand_bandwidth([1.0, -1.0, 0.5], 0.5).tolist()
    [1.0, -0.5, 0.125]

    References
    ----------
    P. Kabal, "Ill-conditioning and bandwidth expansion in linear prediction of speech", ICASSP 2003.
    """
    a, g = predictor("a", a), finite("gamma", gamma, 0)
    if not (g > 0).all():
        raise ValueError(f"`gamma` has a value of {g.min():g}, all values must be above 0")
    return a * g[..., None] ** np.arange(a.shape[-1])


def bandwidth_to_gamma(bandwidth_hz: float, sample_rate_hz: float) -> float:
    """Return the factor g = exp(-pi B / fs) that widens every resonance by the bandwidth B.

    Parameters
    ----------
    bandwidth_hz : float >= 0
    sample_rate_hz : float > 0

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> round(bandwidth_to_gamma(60.0, 16000.0), 4)
    0.9883
    """
    width, fs = number_in("bandwidth_hz", bandwidth_hz, 0), positive("sample_rate_hz", sample_rate_hz)
    return float(np.exp(-np.pi * width / fs))


def gamma_to_bandwidth(gamma: float, sample_rate_hz: float) -> float:
    """Return the bandwidth -ln(g) fs / pi in Hz by which the factor g widens every resonance.

    Parameters
    ----------
    gamma : float > 0
    sample_rate_hz : float > 0

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> round(gamma_to_bandwidth(0.92, 12800.0), 1)
    339.7
    """
    return float(-np.log(positive("gamma", gamma)) * positive("sample_rate_hz", sample_rate_hz) / np.pi)


def weight(
    x: ArrayLike,
    a: ArrayLike,
    gamma1: float = 0.92,
    gamma2: float = 0.6,
    state: tuple[ArrayLike, ArrayLike] | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return a signal filtered by W(z) = A(z/g1) / A(z/g2), with predictors that change from block to block.

    Parameters
    ----------
    x : array (..., N)
    a : array (M+1,) or (..., S, M+1)
        One predictor, or one per block of N/S samples.
    gamma1, gamma2 : float, 0..1
        g1 and g2. g1 > g2 reduces the weight of formants; 0 removes the numerator or the denominator.
    state : pair of arrays (..., M), optional
        The M samples of input and of output before the first one, oldest first; zeros if None.

    Returns
    -------
    y : float64 array (..., N)
    state : pair of float64 arrays (..., M)
        For the next call.

    Raises
    ------
    ValueError
        If N is not a multiple of S, shapes do not match, or a number is out of range.

    Examples
    --------
    >>> y, state = weight([1.0, 0.0, 0.0], [1.0, -0.5], gamma1=1.0, gamma2=0.5)
    >>> y.tolist()
    [1.0, -0.25, -0.0625]

    References
    ----------
    B. Atal and M. Schroeder, "Predictive coding of speech signals and subjective error criteria", IEEE Trans. ASSP 27
    (1979).
    """
    numerator, denominator = _expanded(a, "gamma1", gamma1), _expanded(a, "gamma2", gamma2)
    before, after = _pair(state)
    y, before = direct_analysis(x, numerator, before)
    y, after = direct_synthesis(y, denominator, after)
    return y, (before, after)


def unweight(
    y: ArrayLike,
    a: ArrayLike,
    gamma1: float = 0.92,
    gamma2: float = 0.6,
    state: tuple[ArrayLike, ArrayLike] | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return a signal filtered by 1/W(z) = A(z/g2) / A(z/g1); the inverse of `weight`, also used for noise shaping.

    Parameters
    ----------
    y : array (..., N)
        A weighted signal, or white noise to be shaped.
    a : array (M+1,) or (..., S, M+1)
    gamma1, gamma2 : float, 0..1
        As in `weight`.
    state : pair of arrays (..., M), optional
        As in `weight`: the M samples of x and of y before the first one.

    Returns
    -------
    x : float64 array (..., N)
    state : pair of float64 arrays (..., M)

    Raises
    ------
    ValueError
        As `weight`.

    Examples
    --------
    >>> x, state = unweight([1.0, -0.25, -0.0625], [1.0, -0.5], gamma1=1.0, gamma2=0.5)
    >>> x.tolist()
    [1.0, 0.0, 0.0]

    References
    ----------
    B. Atal and M. Schroeder, IEEE Trans. ASSP 27 (1979).
    """
    numerator, denominator = _expanded(a, "gamma1", gamma1), _expanded(a, "gamma2", gamma2)
    before, after = _pair(state)
    y, _ = blocks("y", y, numerator, "a")
    x, after = direct_analysis(y, denominator, after)
    x, before = direct_synthesis(x, numerator, before)
    return x, (before, after)


def weight_amrwb(
    x: ArrayLike,
    a: ArrayLike,
    gamma: float = 0.92,
    tilt: float = 0.68,
    state: tuple[ArrayLike, ArrayLike] | None = None,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return a pre-emphasised signal filtered by AMR-WB's W(z) = A(z/g) / (1 - b z^-1).

    The fixed denominator inverts the pre-emphasis, so that formants and spectral tilt are weighted independently.

    Parameters
    ----------
    x : array (..., N)
        Signal after pre-emphasis with `tilt`, from which `a` was computed.
    a : array (M+1,) or (..., S, M+1)
    gamma : float, 0..1
        g.
    tilt : float, 0..1
        b, the coefficient of the pre-emphasis.
    state : pair of arrays (..., M) and (..., 1), optional
        The M samples of input and the sample of output before the first one; zeros if None.

    Returns
    -------
    y : float64 array (..., N)
    state : pair of float64 arrays (..., M) and (..., 1)

    Raises
    ------
    ValueError
        As `weight`.

    Examples
    --------
    >>> y, state = weight_amrwb([1.0, 0.0, 0.0], [1.0, -0.5], gamma=1.0, tilt=0.5)
    >>> y.tolist()
    [1.0, 0.0, 0.0]

    References
    ----------
    3GPP TS 26.190, 5.3; B. Bessette et al., "The adaptive multirate wideband speech codec (AMR-WB)", IEEE Trans. SAP
    10 (2002).
    """
    numerator = _expanded(a, "gamma", gamma)
    before, after = _pair(state)
    y, before = direct_analysis(x, numerator, before)
    y, after = direct_synthesis(y, [1.0, -number_in("tilt", tilt, 0, 1)], after)
    return y, (before, after)


def _expanded(a, name, gamma):
    """Return A(z/g); g = 0 gives A(z) = 1."""
    a = predictor("a", a)
    return a * number_in(name, gamma, 0, 1) ** np.arange(a.shape[-1])


def _pair(state):
    if state is None:
        return None, None
    if not isinstance(state, tuple | list) or len(state) != 2:
        raise ValueError(f"`state` is {shown(state)}, it must be a pair of arrays or None")
    return state
