"""Detect transients (attacks), in whose frames a long transform would cause pre-echo.

Place in the chain: first block of an encoder that switches between long and short blocks. Delay: one frame.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import finite, instance, integer_in, number_in

__all__ = ["AttackState", "attacks", "next_attacks", "start_attacks"]

_PARTS = 8  # parts per frame
_SMOOTHING = 0.8  # coefficient of the running mean per part; the mean must cover a period of a low voice


def attacks(x: ArrayLike, frame: int, rise_db: float = 9.0, floor: float = 1e-8) -> np.ndarray:
    """Return in which frames the energy of high frequencies rises suddenly.

    The signal is differentiated twice, and each frame is divided into eight parts. An attack is a part whose energy is
    more than `rise_db` above the running mean of the previous parts. The differentiation attenuates low frequencies,
    which rise slowly and contain most of the energy.

    Parameters
    ----------
    x : array_like, shape (..., n_samples)
        Signal; full scale is 1.
    frame : int
        Samples per frame, a multiple of 8; an incomplete frame at the end is ignored.
    rise_db : float >= 0
        Minimum rise of energy of an attack.
    floor : float >= 0
        Mean square after differentiation that is added to all energies, so that very quiet parts are no attacks.

    Returns
    -------
    ndarray of bool, shape (..., n_samples // frame)

    Raises
    ------
    ValueError
        If `frame` is not a multiple of 8, `x` has no axis or a value that is not finite or not real, or another
        argument is out of range.

    References
    ----------
    J. D. Johnston and K. Brandenburg, "Wideband coding: perceptual considerations for speech and music", in: Advances
    in Speech Signal Processing (1991), on window switching by energy.

    Examples
    --------
    >>> x = np.zeros(4096)
    >>> x[2500:] = np.sin(np.arange(1596))
    >>> attacks(x, 1024).tolist()
    [False, False, True, False]
    """
    x, frame = finite("x", x), _frame_length(frame)
    whole = x[..., : x.shape[-1] // frame * frame]
    return next_attacks(start_attacks(x.shape[:-1]), whole, frame, rise_db, floor)[1]


class AttackState(NamedTuple):
    """Hold the state of the detector between calls.

    Attributes
    ----------
    last : array (..., 2)
        Last two samples.
    mean : array (..., 1)
        Running mean of energy, without the correction of its start at 0.
    filter : array (..., 1)
        State of the filter that computes the running mean.
    count : int
        Number of parts processed.
    """

    last: np.ndarray
    mean: np.ndarray
    filter: np.ndarray
    count: int


def start_attacks(shape: tuple[int, ...] = ()) -> AttackState:
    """Return the state before the first sample, for signals with leading axes `shape`."""
    return AttackState(np.zeros((*shape, 2)), np.zeros((*shape, 1)), np.zeros((*shape, 1)), 0)


def next_attacks(
    state: AttackState, x: ArrayLike, frame: int, rise_db: float = 9.0, floor: float = 1e-8
) -> tuple[AttackState, np.ndarray]:
    """Return `attacks` of the next frames of a signal, and the state for the following call.

    Parameters
    ----------
    state : AttackState
        From `start_attacks` or from the previous call.
    x : array_like, shape (..., n_samples)
        Complete frames.
    frame, rise_db, floor
        As for `attacks`.

    Returns
    -------
    state : AttackState
    found : ndarray of bool, shape (..., n_samples // frame)

    Raises
    ------
    ValueError
        If `x` does not consist of complete frames or has other leading axes than `state`, and as `attacks`.

    Examples
    --------
    >>> x = np.zeros(4096)
    >>> x[2500:] = np.sin(np.arange(1596))
    >>> state, first = next_attacks(start_attacks(), x[:2048], 1024)
    >>> state, second = next_attacks(state, x[2048:], 1024)
    >>> first.tolist(), second.tolist()
    ([False, False], [True, False])
    """
    instance("state", state, AttackState)
    x, frame = finite("x", x), _frame_length(frame)
    rise_db, floor = number_in("rise_db", rise_db, 0), number_in("floor", floor, 0)
    if x.shape[-1] % frame:
        raise ValueError(f"`x` has shape {x.shape}, its last axis must be a multiple of `frame`, {frame}")
    if x.shape[:-1] != (lead := state.last.shape[:-1]):
        raise ValueError(f"`x` has leading axes {x.shape[:-1]}, they must be those of `state`, {lead}")
    T = x.shape[-1] // frame
    if not T:
        return state, np.zeros((*x.shape[:-1], 0), bool)
    x = np.concatenate([state.last, x], axis=-1)
    d = x[..., 2:] + (x[..., :-2] - 2 * x[..., 1:-1])
    energy = np.mean(d.reshape(*d.shape[:-1], T * _PARTS, frame // _PARTS) ** 2, axis=-1) + floor
    mean = np.empty_like(energy)
    filter_state = state.filter[..., 0]
    for n in range(T * _PARTS):  # a recursion over few values; SciPy takes longer to import than minutes to filter
        mean[..., n] = (1 - _SMOOTHING) * energy[..., n] + filter_state
        filter_state = _SMOOTHING * mean[..., n]
    previous = np.concatenate([state.mean if state.count else energy[..., :1], mean[..., :-1]], axis=-1)
    # The mean starts at 0; the division by the sum of the weights corrects this.
    weight = 1 - _SMOOTHING ** np.arange(state.count, state.count + T * _PARTS)
    weight[: 0 if state.count else 1] = 1.0
    found = energy > 10 ** (rise_db / 10) * previous / weight
    after = AttackState(x[..., -2:], mean[..., -1:], filter_state[..., None], state.count + T * _PARTS)
    return after, found.reshape(*x.shape[:-1], T, _PARTS).any(axis=-1)


def _frame_length(frame: int) -> int:
    """Return the samples per frame as an int, if they are a multiple of the parts."""
    n = integer_in("frame", frame, _PARTS)
    if n % _PARTS:
        raise ValueError(f"`frame` is {n}, it must be a multiple of {_PARTS}")
    return n
