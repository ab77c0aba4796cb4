"""Formant postfilter in NumPy: `lpcnet_cq.speech.formant_postfilter`, which describes it, for one live stream.

Letters: S subframes of one packet, L samples per subframe, M order, K taps.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.light.speech.filters import residual
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.formant_tables import BLOCKS, DFT, FLOOR, GAMMAS, LOSSES, SPREAD, TAPS, formant_tables


class FormantState(NamedTuple):
    """Hold the state between packets.

    Attributes
    ----------
    x : float32 array (K-1,)
        Last input samples.
    energy : float32 array (2, BLOCKS)
        Energies of input and output in the last subframes.
    losses : float
        Mean share of lost packets.
    """

    x: np.ndarray
    energy: np.ndarray
    losses: float


class FormantPostfilter:
    """Hold the tables of a configuration."""

    def __init__(self, c: SpeechConfig):
        plain, denominator, self.strength = formant_tables(c)
        self.L, self.k = c.spec.subframe, np.arange(c.order + 1, dtype=np.float32)
        to_spectrum = np.exp(-2j * np.pi / DFT * np.outer(self.k, np.arange(DFT // 2 + 1)))
        self.plain, self.to_spectrum = plain, to_spectrum.astype(np.complex64)
        self.denominator = (denominator[:, None] * to_spectrum).astype(np.complex64)
        self.share = (np.arange(1, self.L + 1) / self.L).astype(np.float32)

    def start(self) -> FormantState:
        """Return the state before the first packet."""
        return FormantState(np.zeros(TAPS - 1, np.float32), np.zeros((2, BLOCKS), np.float32), 0.0)

    def __call__(
        self, state: FormantState, x: np.ndarray, a: np.ndarray, q: int, lost: bool
    ) -> tuple[FormantState, np.ndarray]:
        """Return the next state and the filtered speech of a packet, float32 (S*L,).

        Parameters
        ----------
        state : FormantState
        x : float32 array (S*L,)
            Decoded speech.
        a : array (S, M+2)
            Filters A(z) (1 - mu z^-1) that synthesised it.
        q : int
            Index of the step size.
        lost : bool
            Whether the packet is lost.
        """
        state = state._replace(losses=state.losses + SPREAD * (lost - state.losses))
        share = (state.losses - LOSSES[0]) / (LOSSES[1] - LOSSES[0])
        strength = float(self.strength[q]) * min(max(share, 0.0), 1.0)
        if not strength:
            return self.skip(state, x), x
        past, y = residual(state.x, x, self.impulse_response(a, strength))
        y = y.reshape(-1, self.L)
        energy = np.concatenate([state.energy, [energies(x, self.L), energies(y, self.L)]], axis=1)
        sums = energy[:, : energy.shape[1] - BLOCKS + 1] + np.float32(FLOOR)
        for i in range(1, BLOCKS):
            sums += energy[:, i : i + sums.shape[1]]
        gain = np.sqrt(sums[0] / sums[1])[:, None]  # of the subframe before, and of each one
        y = y * (gain[:-1] + (gain[1:] - gain[:-1]) * self.share)
        return FormantState(past, energy[:, -BLOCKS:], state.losses), y.reshape(-1)

    def impulse_response(self, a: np.ndarray, strength: float) -> np.ndarray:
        """Return the impulse response of each subframe, float32 (S, K), at a strength of 0 to 1."""
        g1 = np.float32(GAMMAS[1] - strength * (GAMMAS[1] - GAMMAS[0]))
        a = a.astype(np.float32) @ self.plain
        spectrum = (a * g1**self.k) @ self.to_spectrum
        spectrum /= a @ self.denominator
        return np.fft.irfft(spectrum, DFT)[:, :TAPS].astype(np.float32)

    def skip(self, state: FormantState, x: np.ndarray) -> FormantState:
        """Return the state after speech (S*L,) that is not filtered."""
        energy = np.concatenate([state.energy, [energies(x, self.L)] * 2], axis=1)
        return state._replace(x=np.concatenate([state.x, x])[1 - TAPS :], energy=energy[:, -BLOCKS:])


def energies(x: np.ndarray, L: int) -> np.ndarray:
    """Return the energy of a signal in each subframe, (S,)."""
    x = x.reshape(-1, L)
    return np.einsum("sl,sl->s", x, x)
