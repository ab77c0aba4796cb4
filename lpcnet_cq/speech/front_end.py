"""Front end of the encoder for speech: high-pass filter, buffer of samples, LPC analysis, steady sounds.

Place in the chain: before the model, in every runtime. Analysis windows reach back before the packet, and the networks
look ahead of it; the buffer holds the samples that several packets need. Delay: `look_ahead` samples.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lpcnet_cq.speech.analysis import analyse_windows
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.highpass import highpass, start_highpass
from lpcnet_cq.speech.steady import SteadyState, find_steady
from lpcnet_cq.speech.steady import start as start_steady
from lpcnet_cq.speech.windows import windows


class FrontEndState(NamedTuple):
    """Hold the state between packets.

    Attributes
    ----------
    highpass : float64 array (2,)
    buffer : float32 array (n,)
        Last filtered samples, which the next analysis window and the next packet include.
    detector : SteadyState
    steady : mapping of int to float32 array (hop,)
        Filtered samples of the steady packets of the last call, by their index in it.
    """

    highpass: np.ndarray
    buffer: np.ndarray
    detector: SteadyState
    steady: Mapping[int, np.ndarray]


def start(ahead: np.ndarray, c: SpeechConfig) -> FrontEndState:
    """Return the state before the first packet; `ahead` (n,) is the first `look_ahead` samples of the signal."""
    spec = c.spec
    size = max(spec.window + 1 - spec.hop, spec.look_ahead)
    state, x = highpass(start_highpass(), ahead, spec.sample_rate_hz)
    buffer = np.zeros(size + spec.look_ahead, np.float32)
    buffer[size : size + len(x)] = x
    return FrontEndState(state, buffer[-size:], start_steady(), {})


def push(state: FrontEndState, x: np.ndarray, T: int, c: SpeechConfig) -> tuple[FrontEndState, np.ndarray, np.ndarray]:
    """Filter and analyse the samples of T packets.

    Parameters
    ----------
    state : FrontEndState
    x : array (T*hop,)
        The next samples; fewer or none at the end of the signal.
    T : int
    c : SpeechConfig

    Returns
    -------
    state : FrontEndState
    x : float32 array (T*hop + look_ahead,)
        Filtered samples of the packets and of the look-ahead.
    lsf : float32 array (T, M)
    """
    spec = c.spec
    filter_state, x = highpass(state.highpass, x, spec.sample_rate_hz)
    x = np.concatenate([state.buffer, x, np.zeros(T * spec.hop - len(x), np.float32)])
    first = len(x) - (T - 1) * spec.hop - spec.window - 1
    detector, is_steady = find_steady(state.detector, x[-T * spec.hop :], T)
    lsf = analyse_windows(windows(x[first:], spec.window + 1, spec.hop), spec, c.order, is_steady)
    buffer, x = x[len(x) - len(state.buffer) :].copy(), x[-T * spec.hop - spec.look_ahead :]
    steady = {int(t): x[t * spec.hop : (t + 1) * spec.hop].copy() for t in np.flatnonzero(is_steady)}
    return FrontEndState(filter_state, buffer, detector, steady), x, lsf
