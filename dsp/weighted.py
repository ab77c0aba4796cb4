"""Weighted linear prediction: the covariance method with a weight for the error of every sample.

Place in the chain: from frames to predictor coefficients, if some samples are more reliable than others. While the
glottis is closed, voiced speech is a decaying resonance without excitation. Weights by short-time energy emphasise
these samples. This reduces the bias of the formants of high-pitched voices towards the harmonics.

Notation: M order, N frame length, w weights.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, number_in
from dsp.covariance import fit, forward


def weighted_covariance(frames: ArrayLike, order: int, weights: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictors that minimise sum_n w[n] e[n]^2, n = M..N-1.

    Parameters
    ----------
    frames : array (..., N)
        Samples without a window.
    order : int, 0..N/2
    weights : array (..., N) >= 0
        w, for instance from `energy_weights`; broadcast against the frames. The first M weights are not used.

    Returns
    -------
    a : float64 array (..., M+1)
        Coefficients, a[..., 0] = 1. 1/A(z) may be unstable; `dsp.reflection.minimum_phase` makes it stable.
    error : float64 array (...)
        Weighted energy of the error.

    Raises
    ------
    ValueError
        If a value is not finite, a weight is negative, shapes do not match, or `order` is out of range.

    Examples
    --------
    >>> a, error = weighted_covariance([1.0, 2.0, 4.0, 100.0], 1, [1.0, 1.0, 1.0, 0.0])
    >>> a.round(9).tolist(), error.round(9).item()
    ([1.0, -2.0], 0.0)

    References
    ----------
    C. Ma, Y. Kamp and L. F. Willems, "Robust signal selection for linear prediction analysis of voiced
    speech", Speech Communication 12 (1993).
    """
    x, w = finite("frames", frames), finite("weights", weights)
    M = integer_in("order", order, 0, x.shape[-1] // 2)
    if (w < 0).any():
        raise ValueError(f"`weights` has a value of {w.min():.6g}, all weights must be at least 0")
    try:
        shape = np.broadcast_shapes(x.shape, w.shape)
    except ValueError:
        shape = None
    if shape is None or x.shape[-1] != w.shape[-1]:
        raise ValueError(f"`weights` has shape {w.shape}, it must match that of `frames`, {x.shape}")
    x, root = np.broadcast_to(x, shape), np.broadcast_to(np.sqrt(w), shape)
    return fit(M, lambda part, root: root[:, M:, None] * forward(part, M), x, root)


def energy_weights(frames: ArrayLike, length: int, floor: float = 1e-9) -> np.ndarray:
    """Return the energy of the L samples before each sample, w[n] = sum_{i=1..L} x[n-i]^2 + floor.

    Parameters
    ----------
    frames : array (..., N)
        Samples; earlier samples are zero.
    length : int >= 1
        L, usually the order of the prediction.
    floor : float >= 0
        Minimum weight, for silent parts.

    Returns
    -------
    float64 array (..., N)

    Raises
    ------
    ValueError
        If `frames` is not finite, `length` is below 1, or `floor` is negative.

    Examples
    --------
    >>> energy_weights([1.0, 2.0, 3.0, 0.0], 2, floor=0).tolist()
    [0.0, 1.0, 5.0, 13.0]

    References
    ----------
    C. Ma, Y. Kamp and L. F. Willems, Speech Communication 12 (1993), short-time energy.
    """
    x = finite("frames", frames)
    L, floor = integer_in("length", length, 1), number_in("floor", floor, 0)
    past = np.pad(np.square(x), [(0, 0)] * (x.ndim - 1) + [(L, 0)])
    return np.lib.stride_tricks.sliding_window_view(past, L, axis=-1)[..., :-1, :].sum(-1) + floor
