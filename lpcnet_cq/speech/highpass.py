"""High-pass filter of the encoder: removes rumble and hum below the speech band before coding.

Place in the chain: first block of the encoder, at the codec's sample rate; the decoder does not undo it. The filter
saves bits, and decoded speech has less low-frequency noise than the recording. It also changes the phase: below a few
hundred hertz, the decoded waveform is ahead of the original. This phase difference reduces waveform measures such as
the SNR, but is inaudible. Delay: none. Training uses unfiltered speech; the filter is not part of the model.
"""

from functools import lru_cache

import numpy as np
from scipy.linalg import get_blas_funcs

CUTOFF_HZ = 50.0  # 3GPP TS 26.190, 5.1
(_solve_banded,) = get_blas_funcs(("tbsv",), dtype=np.float64)


@lru_cache
def _coefficients(sample_rate_hz: int) -> tuple[float, float, float]:
    """Return the gain of the zeros (1 - z^-1)^2, and a_1 and a_2: a Butterworth filter by the bilinear transform."""
    w = np.tan(np.pi * CUTOFF_HZ / sample_rate_hz)
    gain = 1 / (1 + 2**0.5 * w + w * w)
    return gain, 2 * (w * w - 1) * gain, (1 - 2**0.5 * w + w * w) * gain


def start_highpass() -> np.ndarray:
    """Return the state before the first sample: zeros."""
    return np.zeros((2, 2))


def highpass(state: np.ndarray, x: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the next state and the signal filtered by a high-pass filter with the cutoff `CUTOFF_HZ`.

    The recursion is the solution of a triangular system with two subdiagonals.

    Parameters
    ----------
    state : array (2, 2)
        From `start_highpass`, or from the call before: the last two samples of the input and of the output.
    x : array (n,)
    sample_rate_hz : int

    Returns
    -------
    state : float64 array (2, 2)
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
    gain, a1, a2 = _coefficients(sample_rate_hz)
    xs = np.concatenate([state[0], x])
    band = np.zeros((len(xs), 3))  # the first two rows are those of the identity: there the solution is the state
    band[2:] = a2, a1, 1.0
    y = np.concatenate([state[1], gain * (xs[2:] - 2 * xs[1:-1] + xs[:-2])])
    y = _solve_banded(2, band.T, y, lower=0, trans=1, diag=1)
    return np.stack([xs[-2:], y[-2:]]), y[2:].astype(np.float32)
