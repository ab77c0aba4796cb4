"""Find formants, the resonances of the vocal tract, from the roots of A(z), frame by frame or as tracks.

Place in the chain: from predictor coefficients to frequencies and bandwidths. A root z = exp(-pi B / fs + 2j pi F / fs)
of A(z) is a resonance at frequency F with the 3 dB bandwidth B, if no other resonance is near.

Notation: M order, T frames, F frequency, B bandwidth, fs sample rate.
"""

from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, integer_in, number_in, positive, predictor
from dsp.reflection import roots

_OUTSIDE_COST = 0.5  # cost of a missing formant whose neutral frequency is above the range
_MISSING_COST = 1.75  # cost of a missing formant, equal to a deviation of 1.75 kHz or a jump of 1.75 octaves
_BREAK_COST = 0.25  # cost of a change between frames with and without the formant
_SKIP_COST = 1.5  # cost of skipping a narrow resonance below a formant; less for wider resonances
_CHUNK = 1024  # filters per step, which bounds the memory for long signals
_SPARE = 2  # candidates beyond the number of formants, because some resonances are no formants


def poles(a: ArrayLike, sample_rate_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Return frequency and bandwidth of every resonance, one per pair of complex roots, in ascending order.

    Parameters
    ----------
    a : array (..., M+1)
    sample_rate_hz : float > 0

    Returns
    -------
    frequency_hz, bandwidth_hz : float64 arrays (..., M // 2)
        NaN at the end if some roots are real. A bandwidth is negative if 1/A(z) is not stable.

    Raises
    ------
    ValueError
        If `a` is not a predictor or the sample rate is not positive.

    Examples
    --------
    >>> f, b = poles([1.0, 0.0, 0.81], 8000)
    >>> f.round(9).tolist(), b.round(1).tolist()
    ([2000.0], [268.3])

    References
    ----------
    B. Atal and S. Hanauer, "Speech analysis and synthesis by linear prediction of the speech wave", J.
    Acoust. Soc. Am. 50 (1971).
    """
    a, fs = predictor("a", a), positive("sample_rate_hz", sample_rate_hz)
    M = a.shape[-1] - 1
    if M < 2:
        return np.empty((*a.shape[:-1], 0)), np.empty((*a.shape[:-1], 0))
    rows = a.reshape(-1, M + 1)
    f, b = np.empty((2, len(rows), M // 2))
    for start in range(0, len(rows), _CHUNK):
        z = roots(rows[start : start + _CHUNK])
        above = np.imag(z) > 0
        all_f = np.where(above, np.angle(z) * fs / (2 * np.pi), np.nan)
        all_b = np.where(above, -np.log(np.where(above, np.abs(z), 1.0)) * fs / np.pi, np.nan)
        by_frequency = np.argsort(all_f, axis=-1)[:, : M // 2]  # NaN comes last
        f[start : start + _CHUNK] = np.take_along_axis(all_f, by_frequency, -1)
        b[start : start + _CHUNK] = np.take_along_axis(all_b, by_frequency, -1)
    shape = (*a.shape[:-1], M // 2)
    return f.reshape(shape), b.reshape(shape)


def formants(
    a: ArrayLike,
    sample_rate_hz: float,
    n_formants: int = 4,
    low_hz: float = 90.0,
    max_bandwidth_hz: float = 700.0,
    high_hz: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest resonances that are narrow enough to be formants, frame by frame.

    Parameters
    ----------
    a : array (..., M+1)
        Predictors of pre-emphasised speech; the recommended order is 2 plus fs in kHz.
    sample_rate_hz : float > 0
    n_formants : int >= 1
    low_hz : float >= 0
        Lower resonances are ignored.
    max_bandwidth_hz : float > 0
    high_hz : float > low_hz, optional
        Higher resonances are ignored; by default half the sample rate minus `low_hz`.

    Returns
    -------
    frequency_hz, bandwidth_hz : float64 arrays (..., n_formants)
        Ascending, with NaN at the end if there are fewer.

    Raises
    ------
    ValueError
        If `a` is not a predictor or a number is out of range.

    Examples
    --------
    >>> f, b = formants([1.0, 0.0, 0.81], 8000, n_formants=2)
    >>> f.round(9).tolist(), b.round(1).tolist()
    ([2000.0, nan], [268.3, nan])

    References
    ----------
    S. McCandless, "An algorithm for automatic formant extraction using linear prediction spectra", IEEE
    Trans. ASSP 22 (1974); here with roots instead of spectral peaks.
    """
    n = integer_in("n_formants", n_formants, 1)
    low, max_width = number_in("low_hz", low_hz, 0), positive("max_bandwidth_hz", max_bandwidth_hz)
    f, b = poles(a, sample_rate_hz)
    high = sample_rate_hz / 2 - low if high_hz is None else number_in("high_hz", high_hz, low)
    with np.errstate(invalid="ignore"):  # comparisons with NaN are false
        keep = (f >= low) & (f <= high) & (b > 0) & (b <= max_width)
    f, b = np.where(keep, f, np.nan), np.where(keep, b, np.nan)
    by_frequency = np.argsort(f, axis=-1)
    f, b = np.take_along_axis(f, by_frequency, -1), np.take_along_axis(b, by_frequency, -1)
    extra = [(0, 0)] * (f.ndim - 1) + [(0, max(0, n - f.shape[-1]))]
    f, b = np.pad(f, extra, constant_values=np.nan), np.pad(b, extra, constant_values=np.nan)
    return f[..., :n], b[..., :n]


def formant_tracks(
    a: ArrayLike,
    sample_rate_hz: float,
    n_formants: int = 4,
    neutral_hz: float = 500.0,
    low_hz: float = 90.0,
    max_bandwidth_hz: float = 700.0,
    high_hz: float | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return formants with consistent numbers from frame to frame, by dynamic programming over the resonances.

    In each frame, resonances are assigned to formants in ascending order. A missing formant is NaN, and the others keep
    their numbers. The cost of a path is a sum of |F - R| in kHz, where R = (2i - 1) neutral_hz is the frequency of
    formant i in a neutral vocal tract, of B / F, of 1.75 for each missing formant (0.5 if R is above the range), of
    1.5 (1 - B / max_bandwidth_hz) for each skipped resonance, and of the change from frame to frame in octaves.

    Parameters
    ----------
    a : array (..., T, M+1)
        Consecutive frames.
    sample_rate_hz : float > 0
    n_formants : int, 1..5
    neutral_hz : float > 0
        First resonance of a uniform tube with the length of the speaker's vocal tract: about 500 for men, 550 to 600
        for women.
    low_hz, max_bandwidth_hz, high_hz : float
        As `formants`.

    Returns
    -------
    frequency_hz, bandwidth_hz : float64 arrays (..., T, n_formants)
        Ascending within a frame; NaN for a missing formant.

    Raises
    ------
    ValueError
        If `a` does not hold one predictor per frame or a number is out of range.

    Examples
    --------
    >>> f, b = formant_tracks([[1.0, 0.0, 0.81]] * 3, 8000, n_formants=2)
    >>> f[:, 1].round(9).tolist()
    [2000.0, 2000.0, 2000.0]

    References
    ----------
    K. Xia and C. Espy-Wilson, "A new strategy of formant tracking based on dynamic programming", ICSLP 2000.
    """
    n = integer_in("n_formants", n_formants, 1, 5)
    neutral = positive("neutral_hz", neutral_hz) * (2 * np.arange(n) + 1)
    a = finite("a", a, 2)
    f, b = formants(a, sample_rate_hz, n + _SPARE, low_hz, max_bandwidth_hz, high_hz)
    if f.shape[-2] == 0:
        return f[..., :n], b[..., :n]
    high = sample_rate_hz / 2 - low_hz if high_hz is None else high_hz
    missing = np.where(neutral > high, _OUTSIDE_COST, _MISSING_COST)
    choices = _ascending_choices(n, n + _SPARE)
    picked = np.moveaxis(choices[_cheapest_path(f, b, neutral, missing, max_bandwidth_hz, choices)], 0, -2)
    nothing = np.full((*f.shape[:-1], 1), np.nan)
    f = np.take_along_axis(np.concatenate([f, nothing], axis=-1), picked, -1)
    return f, np.take_along_axis(np.concatenate([b, nothing], axis=-1), picked, -1)


def _ascending_choices(n, n_candidates):
    """Return all (S, n) ascending assignments of candidates to formants; index `n_candidates` means "missing"."""
    rows = []
    for size in range(n + 1):
        for tracks in combinations(range(n), size):
            for candidates in combinations(range(n_candidates), size):
                row = np.full(n, n_candidates)
                row[list(tracks)] = candidates
                rows.append(row)
    return np.array(rows)


def _skipped(choices, n_candidates):
    """Return 1 for the candidates (S, n_candidates) that a row of `choices` skips below its highest candidate."""
    used = (choices[:, :, None] == np.arange(n_candidates)).any(1)
    below = np.flip(np.logical_or.accumulate(np.flip(used, 1), 1), 1)
    return (below & ~used).astype(float)


def _costs(f, b, neutral, missing, max_bandwidth_hz):
    """Return costs (..., T, candidate, formant) of taking and (..., T, candidate) of skipping resonances, and octaves.

    The last candidate stands for "missing"; candidates that a frame does not have cost infinity.
    """
    with np.errstate(invalid="ignore"):
        cost = np.abs(f[..., None] - neutral) / 1000 + (b / f)[..., None]
    missing = np.broadcast_to(missing, (*cost.shape[:-2], 1, len(neutral)))
    cost = np.concatenate([np.where(np.isnan(cost), np.inf, cost), missing], axis=-2)
    octave = np.concatenate([np.log2(f), np.full((*f.shape[:-1], 1), np.nan)], axis=-1)
    return cost, _SKIP_COST * np.where(np.isnan(b), 0.0, 1 - b / max_bandwidth_hz), octave


def _cheapest_path(f, b, neutral, missing, max_bandwidth_hz, choices):
    """Return the best row of `choices` for each frame, (T, ...), by the Viterbi algorithm."""
    T, K, n = f.shape[-2], f.shape[-1] + 1, len(neutral)
    skipped = _skipped(choices, K - 1).T
    total = np.zeros((*f.shape[:-2], len(choices)))
    back = np.zeros((T, *total.shape), np.min_scalar_type(len(choices)))
    # Costs of changes are looked up for pairs of formants; the last of an odd number is paired with a missing formant.
    even = np.pad(choices, [(0, 0), (0, n % 2)], constant_values=K - 1)
    pairs = even[:, 0::2] * K + even[:, 1::2]
    steps = [pair[:, None] * K**2 + pair for pair in pairs.T]
    last = None
    for t in range(T):
        at = t % _CHUNK
        if at == 0:
            block = (..., slice(t, t + _CHUNK), slice(None))
            cost, skip, octave = _costs(f[block], b[block], neutral, missing, max_bandwidth_hz)
        local = skip[..., at, :] @ skipped + sum(cost[..., at, choices[:, i], i] for i in range(n))
        if last is not None:
            jump = np.abs(last[..., :, None] - octave[..., at, None, :])
            jump = np.where(np.isnan(jump), _BREAK_COST, jump)
            jump[..., -1, -1] = 0.0  # a formant that is missing in both frames
            both = jump[..., :, None, :, None] + jump[..., None, :, None, :]
            both = both.reshape(*jump.shape[:-2], K**4)
            path = sum((both.take(step, -1) for step in steps), start=total[..., None])
            back[t] = path.argmin(-2)
            total = path.min(-2)
        total, last = total + local, octave[..., at, :]
    rows = np.empty((T, *total.shape[:-1]), np.intp)
    rows[-1] = total.argmin(-1)
    for t in range(T - 1, 0, -1):
        rows[t - 1] = np.take_along_axis(back[t], rows[t][..., None], -1)[..., 0]
    return rows
