"""High-pass filter of the encoder: removes rumble and hum below the speech band before coding.

Place in the chain: first block of the encoder, at the codec's sample rate; the decoder does not undo it. The filter
saves bits, and decoded speech has less low-frequency noise than the recording. It also changes the phase: below a few
hundred hertz, the decoded waveform is ahead of the original. This phase difference reduces waveform measures such as
the SNR, but is inaudible. Delay: none. Training uses unfiltered speech; the filter is not part of the model.

The recursion runs over blocks of samples, with matrices that hold a block of its impulse response. So it needs NumPy
only: SciPy takes longer to import than ten seconds of speech to encode.

Letters: n samples, L samples of a block.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

CUTOFF_HZ = 50.0  # 3GPP TS 26.190, 5.1
BLOCK = 64  # L


class Blocks(NamedTuple):
    """Hold the filter for blocks of samples; rows of signals and states are multiplied from the left.

    Attributes
    ----------
    response : array (L, L)
        From the samples of a block to its output.
    of_state : array (2, L)
        From the state before a block to its output.
    to_state : array (L, 2)
        From the samples of a block to the state after it.
    powers : array (L + 1, 2, 2)
        From the state before a block to the state after so many samples.
    """

    response: np.ndarray
    of_state: np.ndarray
    to_state: np.ndarray
    powers: np.ndarray


@lru_cache
def filter_matrices(sample_rate_hz: int) -> Blocks:
    """Return the matrices of a Butterworth filter of second order, by the bilinear transform.

    The state z of the transposed direct form II is y = b_0 x + z_0, z_0' = b_1 x - a_1 y + z_1, z_1' = b_2 x - a_2 y.
    """
    K = np.tan(np.pi * CUTOFF_HZ / sample_rate_hz)
    scale = 1 / (1 + np.sqrt(2) * K + K**2)
    a1, a2 = 2 * (K**2 - 1) * scale, (1 - np.sqrt(2) * K + K**2) * scale
    b0, b1, b2 = scale * np.array([1.0, -2.0, 1.0])
    step, drive = np.array([[-a1, -a2], [1.0, 0.0]]), np.array([b1 - a1 * b0, b2 - a2 * b0])
    powers = np.stack([np.linalg.matrix_power(step, n) for n in range(BLOCK + 1)])
    impulse = np.concatenate([[b0], (drive @ powers[:-2])[:, 0]])
    lag = np.arange(BLOCK) - np.arange(BLOCK)[:, None]
    response = np.where(lag >= 0, impulse[lag.clip(0)], 0.0)
    return Blocks(response, powers[:-1, :, 0].T.copy(), drive @ powers[-2::-1], powers)


def start_highpass() -> np.ndarray:
    """Return the state before the first sample: zeros."""
    return np.zeros(2)


def highpass(state: np.ndarray, x: np.ndarray, sample_rate_hz: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the next state and the signal filtered by a high-pass filter with the cutoff `CUTOFF_HZ`.

    Parameters
    ----------
    state : array (2,)
        From `start_highpass`, or from the call before.
    x : array (n,)
    sample_rate_hz : int

    Returns
    -------
    state : float64 array (2,)
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
    blocks = filter_matrices(sample_rate_hz)
    whole = len(x) // BLOCK
    rows = np.zeros((whole + 1, BLOCK))
    rows.reshape(-1)[: len(x)] = x
    states = np.empty((whole + 1, 2))
    block_later = blocks.powers[-1]
    for i, added in enumerate(rows.dot(blocks.to_state)):
        states[i] = state
        if i < whole:
            state = state.dot(block_later) + added
    y = rows.dot(blocks.response) + states.dot(blocks.of_state)
    n_last = len(x) - whole * BLOCK
    state = state @ blocks.powers[n_last] + rows[-1, :n_last] @ blocks.to_state[BLOCK - n_last :]
    return state, y.reshape(-1)[: len(x)].astype(np.float32)
