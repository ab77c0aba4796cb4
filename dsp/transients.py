"""Find where sound sets in: frames in which a long transform would spread its noise before an attack.

First block of an encoder that switches between long and short transforms. Delay: none beyond the frame.
"""

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["attacks"]

_PARTS = 8
_MEMORY = 0.8  # of the running mean of energy, per part: more than half a frame, as long as the period of a low voice


def attacks(x: ArrayLike, frame: int, rise_db: float = 9.0, floor: float = 1e-8) -> np.ndarray:
    """Say in which frames the energy of high frequencies rises suddenly.

    The signal is differentiated twice and cut into eight parts a frame; an attack is a part that has `rise_db` more
    energy than the running mean of those before it. Low frequencies have no say: they rise slowly, and carry most of
    the energy.

    Parameters
    ----------
    x : array_like, shape (..., n_samples)
        Signal; full scale is 1.
    frame : int
        Samples per frame, a multiple of 8; what does not fill a frame is left out.
    rise_db : float
    floor : float
        Mean square, after differentiation, added to all energies: what is as quiet as that never attacks.

    Returns
    -------
    ndarray of bool, shape (..., n_samples // frame)

    Raises
    ------
    ValueError
        If `frame` is not a multiple of 8, or `x` has no axis.

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
    from scipy.signal import lfilter

    x = np.asarray(x, float)
    if x.ndim == 0:
        raise ValueError("`x` is a scalar, it must have at least one axis")
    if frame < 1 or frame % _PARTS:
        raise ValueError(f"`frame` is {frame}, it must be a multiple of {_PARTS}")
    T = x.shape[-1] // frame
    d = np.asarray(lfilter([1, -2, 1], [1], x[..., : T * frame], axis=-1))
    energy = np.mean(d.reshape(*d.shape[:-1], T * _PARTS, frame // _PARTS) ** 2, axis=-1) + floor
    mean = np.asarray(lfilter([1 - _MEMORY], [1, -_MEMORY], energy, axis=-1))
    before = np.concatenate([energy[..., :1], mean[..., :-1]], axis=-1)
    # The mean starts from nothing: what it lacks of the weights' sum is made good.
    weight = 1 - _MEMORY ** np.arange(before.shape[-1])
    weight[:1] = 1.0
    return (energy > 10 ** (rise_db / 10) * before / weight).reshape(*d.shape[:-1], T, _PARTS).any(axis=-1)
