"""Find packets of steady sounds: tones, several tones at once, square waves, pulses.

Place in the chain: in the encoder, beside the LPC analysis, on the same filtered samples. The magnitudes of two spectra
one packet apart are compared. Those of sounds whose lines the window resolves are equal; speech changes, so that 99.9 %
of its packets differ by more than -29 dB, and three in a row by less than -33 dB in 3 of 400,000 packets. Delay: none;
a sound is steady from its sixth packet on.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.speech.windows import windows

WINDOW = 1024  # samples; resolves lines that are 63 Hz apart at 16 kHz
RUN = 3  # equal spectra in a row, each with the one before it, that make a packet steady
MOST_CHANGE_DB = -33.0  # energy of the difference of two magnitude spectra, relative to that of the later one


class SteadyState(NamedTuple):
    """Hold the state between packets.

    Attributes
    ----------
    past : float32 array (WINDOW,)
        Last samples.
    magnitudes : float32 array (WINDOW/2 + 1,)
        Spectrum of the last packet.
    equal : bool array (RUN - 1,)
        Whether the spectra of the last packets equalled those before them.
    """

    past: np.ndarray
    magnitudes: np.ndarray
    equal: np.ndarray


def start() -> SteadyState:
    """Return the state before the first packet."""
    spectrum = np.zeros(WINDOW // 2 + 1, np.float32)
    return SteadyState(np.zeros(WINDOW, np.float32), spectrum, np.zeros(RUN - 1, bool))


def find_steady(state: SteadyState, x: np.ndarray, T: int) -> tuple[SteadyState, np.ndarray]:
    """Return the next state and whether each packet is steady.

    Parameters
    ----------
    state : SteadyState
    x : float32 array (T*hop,)
        Samples up to the end of the last packet's LPC window.
    T : int

    Returns
    -------
    state : SteadyState
    steady : bool array (T,)
    """
    hop = len(x) // T
    x = np.concatenate([state.past, x])
    frames = windows(x[hop:], WINDOW, hop) * np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    magnitudes = np.concatenate([state.magnitudes[None], np.abs(np.fft.rfft(frames, axis=1)).astype(np.float32)])
    after = magnitudes[1:]
    change = np.sum((after - magnitudes[:-1]) ** 2, axis=1)
    equal = change < 10 ** (MOST_CHANGE_DB / 10) * np.sum(after**2, axis=1)
    equal = np.concatenate([state.equal, equal])
    steady = np.all([equal[i : i + T] for i in range(RUN)], axis=0)
    return SteadyState(x[-WINDOW:].copy(), after[-1].copy(), equal[T:]), steady
