"""Active speech level, which training varies and the published systems transmit."""

import numpy as np


def active_level_dbov(x: np.ndarray, frame: int) -> float:
    """Return the mean power of the frames within 30 dB of the loudest one, in dB relative to a full-scale square wave.

    This approximates the active speech level of ITU-T P.56 (2011), which excludes pauses. Digital silence has -inf.

    Parameters
    ----------
    x : array (n_samples,)
        In [-1, 1].
    frame : int
        Length of a frame in samples.

    Examples
    --------
    >>> round(active_level_dbov(np.r_[np.zeros(640), 0.1 * np.ones(640)], 320), 6)
    -20.0
    """
    power = np.square(x[: len(x) // frame * frame], dtype=np.float64).reshape(-1, frame).mean(axis=1)
    if power.max(initial=0.0) == 0.0:
        return -np.inf
    return float(10 * np.log10(power[power >= 1e-3 * power.max()].mean()))
