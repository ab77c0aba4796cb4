"""Long-term prediction: predict a signal from its samples one pitch period earlier.

Place in the chain: from the short-term residual to the long-term residual, and back. Each block of N/S samples has a
lag T and 2J + 1 gains g: r[n] = e[n] - sum_j g_j e[n-T-j], j = -J..J. Three gains have the effect of a fractional lag.
Delay: none.

Notation: N samples, S blocks, T lag, J taps on each side, P past samples, e short-term residual, r long-term residual.
"""

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, number_in

_MAX_TAPS, _MAX_LAG = 99, 1 << 16
_RIDGE = 1e-6  # regularisation relative to the power, for delayed blocks that are linearly dependent


def long_term_analyze(
    e: ArrayLike,
    n_blocks: int,
    low_lag: int,
    high_lag: int,
    past: ArrayLike | None = None,
    n_taps: int = 1,
    max_gain: float = 1.2,
) -> tuple[np.ndarray, np.ndarray]:
    """Return lag and gains of every block by an exhaustive open-loop search for the smallest residual power.

    Parameters
    ----------
    e : array (..., N)
    n_blocks : int >= 1
        S; N must be a positive multiple of it.
    low_lag, high_lag : int, J < low_lag <= high_lag <= 65536
        Search range in samples, both ends included.
    past : array (..., P), optional
        Samples before `e`, oldest first; earlier samples are zero.
    n_taps : int, 1..99, odd
        Number of gains, 2J + 1.
    max_gain : float >= 0
        Limit of the sum of the magnitudes of the gains; larger gains are scaled down. Synthesis is stable below 1.

    Returns
    -------
    lag : int array (..., S)
        T; `low_lag` if no lag has a positive correlation.
    gain : float64 array (..., S, 2J+1)
        g_-J .. g_J; zero if no lag has a positive correlation.

    Raises
    ------
    ValueError
        If N is not a multiple of S, a value is not finite, or a number is out of range.

    Examples
    --------
    >>> lag, gain = long_term_analyze(np.tile([1.0, 0.0, 0.0, -1.0, 0.0], 4), 2, 3, 8)
    >>> lag.tolist(), gain[1].round(3).tolist()
    ([5, 5], [1.0])

    References
    ----------
    R. Ramachandran and P. Kabal, "Pitch prediction filters in speech coding", IEEE Trans. ASSP 37 (1989).
    """
    e, S, J = finite("e", e), integer_in("n_blocks", n_blocks, 1), integer_in("n_taps", n_taps, 1, _MAX_TAPS) // 2
    if n_taps % 2 == 0:
        raise ValueError(f"`n_taps` is {n_taps}, it must be odd")
    low = integer_in("low_lag", low_lag, J + 1, _MAX_LAG)
    high, bound = integer_in("high_lag", high_lag, low, _MAX_LAG), number_in("max_gain", max_gain, 0)
    L = _block_length(e, S)
    extended = _with_history(e, past, high + J)
    # Row s holds the samples for lags high + J .. low - J of block s; its windows are the delayed blocks.
    inputs = np.lib.stride_tricks.sliding_window_view(extended, L + high - low + 2 * J, axis=-1)
    delayed = np.lib.stride_tricks.sliding_window_view(inputs[..., : S * L : L, :], L, axis=-1)
    block = e.reshape(*e.shape[:-1], S, L)
    searched = delayed[..., J : delayed.shape[-2] - J, :]
    correlation = np.einsum("...n,...tn->...t", block, searched)
    power = np.einsum("...tn,...tn->...t", searched, searched)
    score = np.where(correlation > 0, correlation**2 / np.maximum(power, np.finfo(float).tiny), 0.0)
    lag = low + np.argmax(score[..., ::-1], axis=-1)  # the shortest of equally good lags
    index = (high - lag)[..., None] + np.arange(2 * J, -1, -1)  # of the delayed blocks for j = -J..J
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
        T, larger than J, at most 65536.
    gain : array (..., S, 2J+1)
    past : array (..., P), optional
        Samples before `e`, oldest first; earlier samples are zero.

    Returns
    -------
    r : float64 array (..., N)
    past : float64 array (..., P)
        For the next call; P is the given number of samples, or what the longest lag needs.

    Raises
    ------
    ValueError
        If shapes do not match, a lag is too short, too long or not a whole number, or a value is not finite.

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
    J, P = gain.shape[-1] // 2, _history_length(lag, gain, past)
    extended = _with_history(e, past, P)
    S, r = lag.shape[-1], e.copy()
    L = e.shape[-1] // S
    source = P + np.arange(e.shape[-1]) - np.repeat(lag, L, axis=-1)
    for j in range(-J, J + 1):
        g = np.repeat(gain[..., j + J], L, axis=-1)
        r -= g * np.take_along_axis(extended, source - j, axis=-1)
    return r, _last_samples(extended, e, past, P)


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
        Samples of e before the first one, oldest first; earlier samples are zero.

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
    J, P = gain.shape[-1] // 2, _history_length(lag, gain, past)
    extended = _with_history(r, past, P)
    S = lag.shape[-1]
    L = r.shape[-1] // S
    for s in range(S):
        # Steps no longer than the shortest lag, so that all source samples are known.
        step = min(L, int(lag[..., s].min(initial=P)) - J) if L else 0
        for start in range(P + s * L, P + (s + 1) * L, step or 1):
            stop = min(start + step, P + (s + 1) * L)
            source = np.arange(start, stop) - lag[..., s, None]
            for j in range(-J, J + 1):
                before = np.take_along_axis(extended, source - j, axis=-1)
                extended[..., start:stop] += gain[..., s, j + J, None] * before
    return extended[..., P:].copy(), _last_samples(extended, r, past, P)


def _block_length(e, S):
    if e.shape[-1] == 0 or e.shape[-1] % S:
        raise ValueError(f"`e` has {e.shape[-1]} samples, a positive multiple of `n_blocks`, {S}, is needed")
    return e.shape[-1] // S


def _arguments(name, x, lag, gain):
    """Return signal, lags and gains with equal leading axes."""
    x, lag, gain = finite(name, x), finite("lag", lag), finite("gain", gain, 2)
    if (lag != np.floor(lag)).any():
        bad = lag[lag != np.floor(lag)][0]
        raise ValueError(f"`lag` has a value of {bad:g}, all lags must be whole numbers of samples")
    S = lag.shape[-1]
    if gain.shape[-2] != S or gain.shape[-1] % 2 == 0:
        raise ValueError(f"`gain` has shape {gain.shape}, it must be (..., {S}, odd) because `lag` has {S} blocks")
    if S == 0 or x.shape[-1] % S:
        raise ValueError(f"`{name}` has {x.shape[-1]} samples, a multiple of the {S} blocks of `lag` is needed")
    if (lag <= gain.shape[-1] // 2).any():
        raise ValueError(f"`lag` has a value of {lag.min():g}, all lags must be above {gain.shape[-1] // 2}")
    if (lag > _MAX_LAG).any():
        raise ValueError(f"`lag` has a value of {lag.max():g}, all lags must be at most {_MAX_LAG}")
    try:
        lead = np.broadcast_shapes(x.shape[:-1], lag.shape[:-1], gain.shape[:-2])
    except ValueError:
        raise ValueError(f"`lag` has shape {lag.shape}, it must match that of `{name}`, {x.shape}") from None
    lag = np.broadcast_to(lag.astype(np.intp), (*lead, S))
    return np.broadcast_to(x, (*lead, x.shape[-1])), lag, np.broadcast_to(gain, (*lead, *gain.shape[-2:]))


def _history_length(lag, gain, past):
    """Return the number P of past samples."""
    needed = int(lag.max(initial=0)) + gain.shape[-1] // 2
    return needed if past is None else max(needed, finite("past", past).shape[-1])


def _with_history(x, past, P):
    """Return the last P past samples and x; unknown past samples are zero."""
    if past is None:
        known = np.zeros((*x.shape[:-1], 0))
    else:
        known = finite("past", past)
        if known.shape[:-1] != x.shape[:-1]:
            raise ValueError(f"`past` has shape {known.shape}, it must be ({', '.join(map(str, x.shape[:-1]))}, P)")
        known = known[..., max(0, known.shape[-1] - P) :]
    zeros = np.zeros((*x.shape[:-1], P - known.shape[-1]))
    return np.concatenate([zeros, known, x], axis=-1)


def _last_samples(extended, x, past, P):
    """Return the past for the next call, as many samples as the caller gave."""
    n = P if past is None else np.shape(past)[-1]
    return extended[..., extended.shape[-1] - n :].copy()


def _least_squares(windows, block):
    """Return the least-squares gains (..., j) with which windows (..., j, n) approximate a block (..., n)."""
    R = np.einsum("...in,...jn->...ij", windows, windows)
    c = np.einsum("...in,...n->...i", windows, block)
    trace = np.trace(R, axis1=-2, axis2=-1)[..., None, None]
    eye = np.eye(R.shape[-1])
    ridge = np.where(trace > 0, _RIDGE * trace, 1.0) * eye if len(eye) > 1 else np.where(trace > 0, 0.0, 1.0)
    return np.linalg.solve(R + ridge, c[..., None])[..., 0]
