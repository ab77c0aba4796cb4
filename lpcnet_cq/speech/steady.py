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
MOST_CHANGE = 10 ** (-33 / 20)  # norm of the difference of two magnitude spectra, relative to that of the later one
HANN = np.hanning(WINDOW + 1)[:-1].astype(np.float32)


class SteadyState(NamedTuple):
    """Hold the state between packets.

    Attributes
    ----------
    past : float32 array (WINDOW,)
        Last samples.
    equal : bool array (RUN - 1,)
        Whether the spectra of the last packets equalled those before them.
    """

    past: np.ndarray
    equal: np.ndarray


def start() -> SteadyState:
    """Return the state before the first packet."""
    return SteadyState(np.zeros(WINDOW, np.float32), np.zeros(RUN - 1, bool))


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
    x = np.concatenate([state.past, x])
    equal = np.concatenate([state.equal, equal_spectra(windows(x, WINDOW, (len(x) - WINDOW) // T) * HANN)])
    steady = equal[:T].copy()
    for i in range(1, RUN):
        steady &= equal[i : i + T]
    return SteadyState(x[-WINDOW:].copy(), equal[T:]), steady


def equal_spectra(frames: np.ndarray) -> np.ndarray:
    """Return whether the magnitudes of each spectrum, but the first, equal those before it: frames (T+1, WINDOW).

    The norms of two magnitude spectra differ at most by the norm of their difference. Hence frames of different
    energies need no spectrum, which are 11 of 12 packets of speech.
    """
    energy = np.vecdot(frames, frames)
    norm = np.sqrt(energy)
    equal = np.abs(norm[1:] - norm[:-1]) < 1.01 * MOST_CHANGE * norm[1:]
    for t in np.flatnonzero(equal):
        before, after = np.abs(np.fft.rfft(frames[t : t + 2]))
        equal[t] = np.sum((after - before) ** 2) < MOST_CHANGE**2 * np.sum(after**2)
    return equal
