"""Long-term prediction: prediction of a signal from its samples one pitch period before.

Place in the chain: residual of the short-term predictor to residual of the long-term predictor, and back. Each block of
N/S samples has a lag T and 1, 3 or more gains g around it: r[n] = e[n] - sum_j g_j e[n-T-j], j = -J..J. With three
gains the lag is in effect fractional. Delay: none.

Letters: N samples, S blocks, T lag, J side taps, P samples of the past, e residual, r what is left.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, number_in

_RIDGE = 1e-6  # of the power, against windows that are multiples of each other


def long_term_analysis(
    e: ArrayLike,
    n_blocks: int,
    min_lag: int,
    max_lag: int,
    past: ArrayLike | None = None,
    n_taps: int = 1,
    max_gain: float = 1.2,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lag and gains that minimise the power of the residual in each block, by full open-loop search.

    Parameters
    ----------
    e : array (..., N)
    n_blocks : int >= 1
        S, a divisor of N.
    min_lag, max_lag : int, J < min_lag <= max_lag
        Range of the search in samples, both included.
    past : array (..., P), optional
        Samples before `e`, oldest first; zeros if None, and before them.
    n_taps : int >= 1, odd
        2J + 1 gains.
    max_gain : float >= 0
        Bound of the sum of the magnitudes of the gains; larger gains are scaled down. Below 1, synthesis is stable.

    Returns
    -------
    lag : int array (..., S)
        T; `min_lag` where no lag helps.
    gain : float64 array (..., S, 2J+1)
        g_-J .. g_J; zero where no lag helps.

    Raises
    ------
    ValueError
        If `e` does not divide into blocks, is not finite, or a number is out of range.

    Examples
    --------
    >>> lag, gain = long_term_analysis(np.tile([1.0, 0.0, 0.0, -1.0, 0.0], 4), 2, 3, 8)
    >>> lag.tolist(), gain[1].round(3).tolist()
    ([5, 5], [1.0])

    References
    ----------
    R. Ramachandran and P. Kabal, "Pitch prediction filters in speech coding", IEEE Trans. ASSP 37 (1989).
    """
    e, S, J = finite("e", e), integer_in("n_blocks", n_blocks, 1), integer_in("n_taps", n_taps, 1) // 2
    if n_taps % 2 == 0:
        raise ValueError(f"`n_taps` is {n_taps}, it must be odd")
    low = integer_in("min_lag", min_lag, J + 1)
    high, bound = integer_in("max_lag", max_lag, low), number_in("max_gain", max_gain, 0)
    L = _block_length(e, S)
    longer = _continued(e, past, high + J)
    # Row s: the samples that lags high + J .. low - J reach from block s; its windows are the delayed blocks.
    reach = np.lib.stride_tricks.sliding_window_view(longer, L + high - low + 2 * J, axis=-1)
    delayed = np.lib.stride_tricks.sliding_window_view(reach[..., : S * L : L, :], L, axis=-1)
    block = e.reshape(*e.shape[:-1], S, L)
    searched = delayed[..., J : delayed.shape[-2] - J, :]
    correlation = np.einsum("...n,...tn->...t", block, searched)
    power = np.einsum("...tn,...tn->...t", searched, searched)
    score = np.where(correlation > 0, correlation**2 / np.maximum(power, np.finfo(float).tiny), 0.0)
    lag = low + np.argmax(score[..., ::-1], axis=-1)  # of equal ones the shortest
    index = (high - lag)[..., None] + np.arange(2 * J, -1, -1)  # of the windows for j = -J..J
    picked = np.take_along_axis(delayed, index[..., None], axis=-2)
    gain = _least_squares(picked, block)
    size = np.abs(gain).sum(-1, keepdims=True)
    gain *= np.where(size > bound, bound / np.where(size > bound, size, 1.0), 1.0)
    return lag, np.where(score.max(-1, keepdims=True) > 0, gain, 0.0)


def long_term_residual(
    e: ArrayLike, lag: ArrayLike, gain: ArrayLike, past: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return r[n] = e[n] - sum_j g_j e[n-T-j], with lags and gains that change from block to block.

    Parameters
    ----------
    e : array (..., N)
    lag : int array (..., S)
        T, above J.
    gain : array (..., S, 2J+1)
    past : array (..., P), optional
        Samples before `e`, oldest first; zeros if None, and before them.

    Returns
    -------
    r : float64 array (..., N)
    past : float64 array (..., P)
        For the next call, of as many samples as were given, or as the longest lag needs.

    Raises
    ------
    ValueError
        If shapes do not go together, a lag is too short or no whole number, or a value is not finite.

    Examples
    --------
    >>> r, past = long_term_residual([1.0, 0.0, 1.0, 0.0], [2], [[0.5]])
    >>> r.tolist(), past.tolist()
    ([1.0, 0.0, 0.5, 0.0], [1.0, 0.0])

    References
    ----------
    R. Ramachandran and P. Kabal, IEEE Trans. ASSP 37 (1989).
    """
    e, lag, gain = _arguments("e", e, lag, gain)
    J, P = gain.shape[-1] // 2, _reach(lag, gain, past)
    longer = _continued(e, past, P)
    S, r = lag.shape[-1], e.copy()
    L = e.shape[-1] // S
    source = P + np.arange(e.shape[-1]) - np.repeat(lag, L, axis=-1)
    for j in range(-J, J + 1):
        g = np.repeat(gain[..., j + J], L, axis=-1)
        r -= g * np.take_along_axis(longer, source - j, axis=-1)
    return r, _remembered(longer, e, past, P)


def long_term_synthesis(
    r: ArrayLike, lag: ArrayLike, gain: ArrayLike, past: ArrayLike | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return e[n] = r[n] + sum_j g_j e[n-T-j]; the inverse of `long_term_residual`.

    Parameters
    ----------
    r : array (..., N)
    lag : int array (..., S)
    gain : array (..., S, 2J+1)
    past : array (..., P), optional
        Samples of e before `r` begins, oldest first; zeros if None, and before them.

    Returns
    -------
    e : float64 array (..., N)
    past : float64 array (..., P)

    Raises
    ------
    ValueError
        As `long_term_residual`.

    Examples
    --------
    >>> e, past = long_term_synthesis([1.0, 0.0, 0.5, 0.0], [2], [[0.5]])
    >>> e.tolist(), past.tolist()
    ([1.0, 0.0, 1.0, 0.0], [1.0, 0.0])

    References
    ----------
    R. Ramachandran and P. Kabal, IEEE Trans. ASSP 37 (1989).
    """
    r, lag, gain = _arguments("r", r, lag, gain)
    J, P = gain.shape[-1] // 2, _reach(lag, gain, past)
    longer = _continued(r, past, P)
    S = lag.shape[-1]
    L = r.shape[-1] // S
    for s in range(S):
        # As many samples at once as the shortest lag finds already done.
        step = min(L, int(lag[..., s].min(initial=P)) - J) if L else 0
        for start in range(P + s * L, P + (s + 1) * L, step or 1):
            stop = min(start + step, P + (s + 1) * L)
            source = np.arange(start, stop) - lag[..., s, None]
            for j in range(-J, J + 1):
                before = np.take_along_axis(longer, source - j, axis=-1)
                longer[..., start:stop] += gain[..., s, j + J, None] * before
    return longer[..., P:].copy(), _remembered(longer, r, past, P)


def _block_length(e, S):
    if e.shape[-1] % S:
        raise ValueError(f"`e` has {e.shape[-1]} samples, they must divide into `n_blocks`, {S}")
    return e.shape[-1] // S


def _arguments(name, x, lag, gain):
    """Return signal, lags and gains with equal leading axes."""
    x, lag, gain = finite(name, x), finite("lag", lag), finite("gain", gain, 2)
    if (lag != np.floor(lag)).any():
        raise ValueError("`lag` holds fractions, lags must be whole numbers of samples")
    S = lag.shape[-1]
    if gain.shape[-2] != S or gain.shape[-1] % 2 == 0:
        raise ValueError(f"`gain` has shape {gain.shape}, it must be (..., {S}, an odd number) as `lag` has {S}")
    if S == 0 or x.shape[-1] % S:
        raise ValueError(f"`{name}` has {x.shape[-1]} samples, they must divide into the {S} blocks of `lag`")
    if (lag <= gain.shape[-1] // 2).any():
        raise ValueError(f"`lag` is {lag.min():g} somewhere, it must be above {gain.shape[-1] // 2}")
    try:
        lead = np.broadcast_shapes(x.shape[:-1], lag.shape[:-1], gain.shape[:-2])
    except ValueError:
        raise ValueError(f"`lag` of shape {lag.shape} must go with `{name}` of shape {x.shape}") from None
    lag = np.broadcast_to(lag.astype(np.intp), (*lead, S))
    return np.broadcast_to(x, (*lead, x.shape[-1])), lag, np.broadcast_to(gain, (*lead, *gain.shape[-2:]))


def _reach(lag, gain, past):
    """Return how many samples before the signal are needed."""
    needed = int(lag.max(initial=0)) + gain.shape[-1] // 2
    return needed if past is None else max(needed, finite("past", past).shape[-1])


def _continued(x, past, P):
    """Return x behind P samples of its past, with zeros before what is known."""
    if past is None:
        known = np.zeros((*x.shape[:-1], 0))
    else:
        known = finite("past", past)
        if known.shape[:-1] != x.shape[:-1]:
            raise ValueError(f"`past` has shape {known.shape}, it must be ({', '.join(map(str, x.shape[:-1]))}, P)")
        known = known[..., max(0, known.shape[-1] - P) :]
    zeros = np.zeros((*x.shape[:-1], P - known.shape[-1]))
    return np.concatenate([zeros, known, x], axis=-1)


def _remembered(longer, x, past, P):
    """Return the last samples, as many as were given."""
    n = P if past is None else np.shape(past)[-1]
    return longer[..., longer.shape[-1] - n :].copy()


def _least_squares(windows, block):
    """Return gains (..., j) of windows (..., j, n) that come nearest to a block (..., n)."""
    R = np.einsum("...in,...jn->...ij", windows, windows)
    c = np.einsum("...in,...n->...i", windows, block)
    trace = np.trace(R, axis1=-2, axis2=-1)[..., None, None]
    eye = np.eye(R.shape[-1])
    ridge = np.where(trace > 0, _RIDGE * trace, 1.0) * eye if len(eye) > 1 else np.where(trace > 0, 0.0, 1.0)
    return np.linalg.solve(R + ridge, c[..., None])[..., 0]
