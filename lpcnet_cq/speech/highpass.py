"""High-pass filter of the encoder: removes rumble and hum below the speech band before coding.

Place in the chain: first block of the encoder, at the codec's sample rate; the decoder does not undo it. The filter
saves bits, and decoded speech has less low-frequency noise than the recording. It also changes the phase: below a few
hundred hertz, the decoded waveform is ahead of the original. This phase difference reduces waveform measures such as
the SNR, but is inaudible. Delay: none. Training uses unfiltered speech; the filter is not part of the model.
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
    """Return the state before the first sample: zeros."""
    return np.zeros((1, 2))


def highpass(state: np.ndarray, x: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the next state and the signal filtered by a high-pass filter with the cutoff `CUTOFF_HZ`.

    Parameters
    ----------
    state : array (1, 2)
        From `start_highpass`, or from the call before.
    x : array (n,)
    sample_rate_hz : int

    Returns
    -------
    state : float64 array (1, 2)
    y : float32 array (n,)

    Examples
    --------
    >>> _, y = highpass(start_highpass(), np.ones(16000), 16000)  # an offset decays within 0.1 s
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
