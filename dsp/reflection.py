"""Convert predictors to reflection coefficients, log-area ratios and areas of a lossless tube, and back.

The reflection coefficient k_m is the last coefficient of the predictor of order m. The filter 1/A(z) is stable if and
only if all |k_m| < 1. Section 1 of the tube is at the end that reflects completely.

Notation: M order, k reflection coefficients, g log-area ratios, S areas.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, predictor


def lpc_to_reflection(a: ArrayLike) -> np.ndarray:
    """Return the reflection coefficients of minimum-phase predictors, by the step-down recursion.

    Parameters
    ----------
    a : array (..., M+1)

    Returns
    -------
    float64 array (..., M)
        Within (-1, 1).

    Raises
    ------
    ValueError
        If a predictor is not minimum phase, does not begin with 1, or holds NaN or infinity.

    Examples
    --------
    >>> lpc_to_reflection([1.0, 0.75, 0.5]).tolist()
    [0.5, 0.5]

    References
    ----------
    J. D. Markel and A. H. Gray, "Linear Prediction of Speech", Springer 1976, 5.1.
    """
    k = _step_down(predictor("a", a))
    if not (np.abs(k) < 1).all():  # also refuses NaN, which can follow a magnitude of 1
        raise ValueError("`a` is not minimum phase, all zeros of A(z) must lie inside the unit circle")
    return k


def reflection_to_lpc(k: ArrayLike) -> np.ndarray:
    """Return the predictors of reflection coefficients, by the step-up recursion.

    Parameters
    ----------
    k : array (..., M)

    Returns
    -------
    float64 array (..., M+1)
        Minimum phase if all |k| < 1.

    Raises
    ------
    ValueError
        If `k` is not finite.

    Examples
    --------
    >>> reflection_to_lpc([0.5, 0.5]).tolist()
    [1.0, 0.75, 0.5]

    References
    ----------
    J. D. Markel and A. H. Gray, "Linear Prediction of Speech", Springer 1976, 5.1.
    """
    k = finite("k", k)
    rows = np.moveaxis(k, -1, 0)
    a = np.zeros((len(rows) + 1, *k.shape[:-1]))
    a[0] = 1.0
    for m, k_m in enumerate(rows, start=1):
        a[1 : m + 1] += k_m * a[m - 1 :: -1]
    return np.ascontiguousarray(np.moveaxis(a, 0, -1))


def _step_down(a):
    """Return k of arbitrary predictors; values before the last one with a magnitude of 1 or more are meaningless."""
    p = np.moveaxis(a, -1, 0).copy()
    M = len(p) - 1
    k = np.empty((M, *p.shape[1:]))
    for m in range(M, 0, -1):
        k[m - 1] = p[m]
        inside = np.abs(p[m]) < 1
        k_m = np.where(inside, p[m], 0.0)
        with np.errstate(over="ignore", invalid="ignore"):  # very large coefficients, which are never stable
            p[1:m] = (p[1:m] - k_m * p[m - 1 : 0 : -1]) / (1 - k_m**2)
    return np.ascontiguousarray(np.moveaxis(k, 0, -1))


def is_minimum_phase(a: ArrayLike) -> np.ndarray | np.bool_:
    """Return for every frame whether all zeros of A(z) are inside the unit circle, which means that 1/A(z) is stable.

    Parameters
    ----------
    a : array (..., M+1)

    Returns
    -------
    bool array (...)

    Raises
    ------
    ValueError
        If a predictor does not begin with 1, or holds NaN or infinity.

    Examples
    --------
    >>> is_minimum_phase([[1.0, 0.5], [1.0, 2.0]]).tolist()
    [True, False]
    """
    return (np.abs(_step_down(predictor("a", a))) < 1).all(-1)


def minimum_phase(a: ArrayLike) -> np.ndarray:
    """Return predictors whose zeros outside the unit circle are reflected to the inside.

    The shape of the envelope |1/A| does not change. Minimum-phase predictors do not change.

    Parameters
    ----------
    a : array (..., M+1)

    Returns
    -------
    float64 array (..., M+1)

    Raises
    ------
    ValueError
        If a predictor does not begin with 1, or holds NaN or infinity.

    Examples
    --------
    >>> minimum_phase([1.0, 2.0]).tolist()
    [1.0, 0.5]
    """
    a = predictor("a", a).copy()
    bad = ~is_minimum_phase(a)
    z = roots(a[bad])
    radius = np.abs(z)
    z = np.where(radius > 1, z / np.maximum(radius, 1) ** 2, z)
    # Reflection does not move zeros on the circle, so these are moved slightly inwards.
    z *= np.minimum(1, (1 - 1e-9) / np.maximum(np.abs(z), 0.5))
    p = np.zeros(a[bad].shape, complex)
    p[:, 0] = 1
    for m in range(z.shape[-1]):
        p[:, 1 : m + 2] -= z[:, m : m + 1] * p[:, : m + 1]
    a[bad] = np.real(p)
    return a


def roots(a: np.ndarray) -> np.ndarray:
    """Return the zeros, complex (T, M), of predictors (T, M+1) as eigenvalues of companion matrices."""
    M = a.shape[-1] - 1
    C = np.zeros((len(a), M, M))
    C[:, :1] = -a[:, None, 1:]  # order 0 has no row
    m = np.arange(M - 1)
    C[:, m + 1, m] = 1.0
    return np.linalg.eigvals(C).astype(complex)


def reflection_to_log_area(k: ArrayLike) -> np.ndarray:
    """Return the log-area ratios g_m = ln((1 + k_m) / (1 - k_m)) = ln(S_{m+1} / S_m).

    Parameters
    ----------
    k : array (..., M)
        Within (-1, 1).

    Returns
    -------
    float64 array (..., M)

    Raises
    ------
    ValueError
        If a reflection coefficient is not within (-1, 1).

    Examples
    --------
    >>> reflection_to_log_area([0.0, 0.5]).round(4).tolist()
    [0.0, 1.0986]

    References
    ----------
    R. Viswanathan and J. Makhoul, "Quantization properties of transmission parameters in linear predictive
    systems", IEEE Trans. ASSP 23 (1975).
    """
    return 2 * np.arctanh(_within_one(k))


def log_area_to_reflection(g: ArrayLike) -> np.ndarray:
    """Return the reflection coefficients k_m = tanh(g_m / 2) of log-area ratios.

    Parameters
    ----------
    g : array (..., M)

    Returns
    -------
    float64 array (..., M)
        Within (-1, 1) for |g| below 36.

    Raises
    ------
    ValueError
        If `g` is not finite.

    Examples
    --------
    >>> log_area_to_reflection([0.0, np.log(3)]).round(12).tolist()
    [0.0, 0.5]
    """
    return np.tanh(0.5 * finite("g", g))


def reflection_to_area(k: ArrayLike) -> np.ndarray:
    """Return the areas S_1..S_{M+1} of the lossless tube with these reflection coefficients, with S_1 = 1.

    Parameters
    ----------
    k : array (..., M)
        Within (-1, 1).

    Returns
    -------
    float64 array (..., M+1)
        Section 1 is at the end that reflects completely, section M+1 is after the other end.

    Raises
    ------
    ValueError
        If a reflection coefficient is not within (-1, 1).

    Examples
    --------
    >>> reflection_to_area([0.5, -0.5]).round(12).tolist()
    [1.0, 3.0, 1.0]

    References
    ----------
    L. R. Rabiner and R. W. Schafer, "Digital Processing of Speech Signals", Prentice-Hall 1978, 3.3 and 8.9.
    """
    k = _within_one(k)
    S = np.ones((*k.shape[:-1], k.shape[-1] + 1))
    S[..., 1:] = np.cumprod((1 + k) / (1 - k), axis=-1)
    return S


def area_to_reflection(area: ArrayLike) -> np.ndarray:
    """Return the reflection coefficients k_m = (S_{m+1} - S_m) / (S_{m+1} + S_m) of a tube.

    Parameters
    ----------
    area : array (..., M+1) > 0
        Areas in any unit, because only ratios are used.

    Returns
    -------
    float64 array (..., M)

    Raises
    ------
    ValueError
        If an area is not positive.

    Examples
    --------
    >>> area_to_reflection([1.0, 3.0, 1.0]).tolist()
    [0.5, -0.5]
    """
    S = finite("area", area)
    if S.shape[-1] == 0:
        raise ValueError(f"`area` has shape {S.shape}, its last axis must hold S_1 to S_(M+1)")
    if not (S > 0).all():
        raise ValueError(f"`area` has a value of {S.min():g}, all areas must be above 0")
    return (S[..., 1:] - S[..., :-1]) / (S[..., 1:] + S[..., :-1])


def _within_one(k):
    k = finite("k", k)
    if not (np.abs(k) < 1).all():
        raise ValueError(f"`k` has a magnitude of {np.abs(k).max():.6g}, all magnitudes must be below 1")
    return k
