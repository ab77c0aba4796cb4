"""The encoder's high pass: rumble and hum below speech are taken away before anything is coded.

Place in the chain: the very first block of the encoder, on speech at the codec's rate; nothing undoes it. Bits go to
what is heard, and decoded speech has less background than its recording. The price is phase: up to some hundred hertz
the decoded waveform runs ahead of the recording's, which measures of the waveform notice and listeners do not.
Delay: none. Training sees speech with its rumble: the filter is no part of the model.
"""

from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfilt

CUTOFF_HZ = 50.0  # 3GPP TS 26.190, 5.1
ORDER = 2


@lru_cache
def _sections(sample_rate_hz: int) -> np.ndarray:
    return np.asarray(butter(ORDER, CUTOFF_HZ, "high", fs=sample_rate_hz, output="sos"))


def start_highpass() -> np.ndarray:
    """Return the state before the first sample: silence."""
    return np.zeros((1, 2))


def highpass(state: np.ndarray, x: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the next state and the signal without what lies below `CUTOFF_HZ`.

    Parameters
    ----------
    state : array (1, 2)
        From `start_highpass`, or from the samples before.
    x : array (n,)
    sample_rate_hz : int

    Returns
    -------
    state : float64 array (1, 2)
    y : float32 array (n,)

    Examples
    --------
    >>> _, y = highpass(start_highpass(), np.ones(16000), 16000)  # an offset is gone within a tenth of a second
    >>> bool(abs(y[1600:]).max() < 1e-6)
    True

    References
    ----------
    3GPP TS 26.190 (AMR-WB), 5.1, pre-processing: a high pass of second order at 50 Hz.
    """
    if not len(x):
        return state, np.asarray(x, np.float32)
    y, state = sosfilt(_sections(sample_rate_hz), np.asarray(x, np.float64), zi=state)
    return state, y.astype(np.float32)
