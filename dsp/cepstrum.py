"""Convert predictors to the LPC cepstrum, the cepstrum of the envelope g / |A|, and back by recursion.

Place in the chain: features for recognition, and distances between log spectra. With ln(g / A(z)) = sum_n c_n z^-n
the log envelope is ln(g / |A(e^jw)|) = sum_n c_n cos(n w).

Notation: M order of the predictor, K order of the cepstrum, g gain.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, predictor


def lpc_to_cepstrum(a: ArrayLike, order: int | None = None, gain: ArrayLike = 1.0) -> np.ndarray:
    """Return the cepstrum c_0..c_K of minimum-phase predictors.

    Parameters
    ----------
    a : array (..., M+1)
    order : int >= 0, optional
        K; M if None. c_1 to c_M determine all following values.
    gain : array (...) > 0
        g, the square root of the power of the residual.

    Returns
    -------
    float64 array (..., K+1)
        c_0 = ln g; all values are natural logarithms.

    Raises
    ------
    ValueError
        If `a` does not begin with 1, `gain` is not positive or does not match, or a value is not finite.

    Examples
    --------
    >>> lpc_to_cepstrum([1.0, -0.5], 3).round(6).tolist()
    [0.0, 0.5, 0.125, 0.041667]

    References
    ----------
    B. S. Atal, J. Acoust. Soc. Am. 55 (1974), "Effectiveness of linear prediction characteristics [...]";
    J. D. Markel and A. H. Gray, "Linear Prediction of Speech", Springer 1976, 10.2.3.
    """
    a = predictor("a", a)
    M = a.shape[-1] - 1
    K = M if order is None else integer_in("order", order, 0)
    g = finite("gain", gain, min_ndim=0)
    if not (g > 0).all():
        raise ValueError(f"`gain` has a value of {g.min():g}, all gains must be above 0")
    try:
        shape = np.broadcast_shapes(g.shape, a.shape[:-1])
    except ValueError:
        raise ValueError(
            f"`gain` has shape {g.shape}, it must broadcast with the frames of `a`, {a.shape[:-1]}"
        ) from None
    c = np.zeros((K + 1, *shape))
    c[0] = np.log(g)
    A = np.moveaxis(np.broadcast_to(a, (*shape, M + 1)), -1, 0)
    for n in range(1, K + 1):
        for m in range(max(1, n - M), n):
            c[n] -= m / n * c[m] * A[n - m]
        if n <= M:
            c[n] -= A[n]
    return np.ascontiguousarray(np.moveaxis(c, 0, -1))


def cepstrum_to_lpc(c: ArrayLike, order: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictors and gains whose cepstrum begins with the given values.

    Parameters
    ----------
    c : array (..., K+1)
        Natural logarithms.
    order : int, 0..K, optional
        M; K if None. With the order of the original predictor, the result is exactly this predictor.

    Returns
    -------
    a : float64 array (..., M+1)
        Minimum phase if `c` is the cepstrum of a predictor of order M; not guaranteed for other cepstra.
    gain : float64 array (...)
        g = exp(c_0).

    Raises
    ------
    ValueError
        If `c` is not finite or empty, or `order` is out of range.

    Examples
    --------
    >>> a, gain = cepstrum_to_lpc([0.0, 0.5, 0.125], 1)
    >>> a.tolist(), float(gain)
    ([1.0, -0.5], 1.0)

    References
    ----------
    J. D. Markel and A. H. Gray, "Linear Prediction of Speech", Springer 1976, 10.2.3.
    """
    c = finite("c", c)
    if c.shape[-1] == 0:
        raise ValueError(f"`c` has shape {c.shape}, its last axis must hold c_0 to c_K")
    K = c.shape[-1] - 1
    M = K if order is None else integer_in("order", order, 0, K)
    C = np.moveaxis(c, -1, 0)
    a = np.zeros((M + 1, *c.shape[:-1]))
    a[0] = 1.0
    for n in range(1, M + 1):
        for m in range(1, n + 1):
            a[n] -= m / n * C[m] * a[n - m]
    return np.ascontiguousarray(np.moveaxis(a, 0, -1)), np.exp(C[0])
