"""Convert predictors to immittance spectral frequencies, which AMR-WB transmits, and back.

Place in the chain: as line spectral frequencies, but M - 1 frequencies and the last reflection coefficient. The
zeros of F1(z) = A(z) + z^-M A(1/z) and F2(z) = A(z) - z^-M A(1/z) lie on the unit circle and alternate if and only if
1/A(z) is stable; k_M = a_M gives the relative weight of the two polynomials.

Notation: M order, w frequencies.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, predictor
from dsp._symmetric import divide_minus, divide_plus, multiply_binomial, symmetric_polynomial, zero_angles


def lpc_to_isf(a: ArrayLike) -> np.ndarray:
    """Return the immittance spectral frequencies of minimum-phase predictors.

    Parameters
    ----------
    a : array (..., M+1)
        a[..., 0] = 1; M at least 1 (AMR-WB: 16).

    Returns
    -------
    float64 array (..., M)
        M - 1 ascending frequencies in (0, pi) rad, and arccos(a_M) / 2 in (0, pi/2) as the last value. Multiplied by
        fs / (2 pi) they are the frequencies of the standard in hertz.

    Raises
    ------
    ValueError
        If `a` is not finite, does not begin with 1, has order 0, or is not minimum phase.

    Examples
    --------
    >>> (lpc_to_isf([1.0, 0.0, 0.0, 0.0, 0.0]) * 4 / np.pi).round(12).tolist()
    [1.0, 2.0, 3.0, 1.0]

    References
    ----------
    Y. Bistritz and S. Peller, "Immittance spectral pairs (ISP) for speech encoding", ICASSP 1993;
    3GPP TS 26.190, 5.2.3.
    """
    a = predictor("a", a)
    M = a.shape[-1] - 1
    if M < 1:
        raise ValueError(f"`a` has shape {a.shape}, its order must be at least 1")
    k = a[..., -1]
    if (np.abs(k) >= 1).any():
        raise ValueError("`a` is not minimum phase, all zeros of A(z) must lie inside the unit circle")
    F1, F2 = a + a[..., ::-1], a - a[..., ::-1]
    # Remove the zeros at z = -1 and z = 1.
    f1, f2 = (F1, divide_plus(divide_minus(F2))) if M % 2 == 0 else (divide_plus(F1), divide_minus(F2))
    w = np.empty((*a.shape[:-1], M))
    w[..., 0 : M - 1 : 2], w[..., 1 : M - 1 : 2] = zero_angles(f1), zero_angles(f2)
    w[..., : M - 1].sort(axis=-1)  # rounding may swap neighbours if 1/A(z) is almost unstable
    w[..., -1] = 0.5 * np.arccos(k)
    if (np.abs(_predictor_of(w) - a).max(axis=-1) > 1e-6 * np.abs(a).max(axis=-1)).any():
        raise ValueError("`a` is not minimum phase, all zeros of A(z) must lie inside the unit circle")
    return w


def isf_to_lpc(isf: ArrayLike) -> np.ndarray:
    """Return the predictors with given immittance spectral frequencies.

    Parameters
    ----------
    isf : array (..., M)
        M - 1 ascending frequencies in (0, pi) rad, and arccos(a_M) / 2 in (0, pi/2).

    Returns
    -------
    float64 array (..., M+1)

    Raises
    ------
    ValueError
        If `isf` is not finite, empty, not ascending, or out of range.

    Examples
    --------
    >>> isf_to_lpc([np.pi / 3, np.pi / 6]).round(12).tolist()
    [1.0, -0.75, 0.5]

    References
    ----------
    3GPP TS 26.190, 5.2.4.
    """
    w = finite("isf", isf)
    if w.shape[-1] == 0:
        raise ValueError(f"`isf` has shape {w.shape}, its last axis must not be empty")
    angles, last = w[..., :-1], w[..., -1]
    if w.size and not (w.min() >= 0 and w.max() <= np.pi):
        raise ValueError(f"`isf` spans {w.min():.6g} to {w.max():.6g} rad, it must be from 0 to pi")
    if w.size and last.max() > np.pi / 2:
        raise ValueError(f"`isf` has a last value of {last.max():.6g} rad, it must be at most pi/2")
    if (np.diff(angles, axis=-1) < 0).any():
        raise ValueError("`isf` is not ascending, the first M - 1 values of each vector must be in ascending order")
    return _predictor_of(w)


def _predictor_of(w):
    angles, k = w[..., :-1], np.cos(2 * w[..., -1:])
    f1, f2 = symmetric_polynomial(angles[..., 0::2]), symmetric_polynomial(angles[..., 1::2])
    if w.shape[-1] % 2 == 0:
        F1, F2 = f1, multiply_binomial(f2, -1.0, delay=2)
    else:
        F1, F2 = multiply_binomial(f1, 1.0), multiply_binomial(f2, -1.0)
    return 0.5 * ((1 + k) * F1 + (1 - k) * F2)
