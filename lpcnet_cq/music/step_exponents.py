"""Units of the exponents of step sizes, and what the step index of a packet adds to them.

Place in the chain: part of `music.allocation` and of `music.integer_model`. Exponents are integers in units of 1/8
octave, so that the entropy model computes with them exactly.

Letters: Q step sizes.
"""

import numpy as np

from lpcnet_cq.music.config import MusicConfig

PER_OCTAVE = 8  # exponent units per octave of amplitude: one unit is 0.75 dB
PER_ENERGY = PER_OCTAVE // 2  # exponent units per energy unit, because an energy is a power
LIMITS = (-110, 70)  # of the exponents
WEIGHT_UNIT, BIAS_UNIT = 0.1, 16.0  # units in which weights and biases are trained


def step_exponents(c: MusicConfig) -> np.ndarray:
    """Return the integer that each step index of a packet adds to all exponents, int (Q,)."""
    octaves = np.log2(c.step_ratio) * (np.arange(c.n_steps) - float(c.nominal_step))
    return np.rint(PER_OCTAVE * octaves).astype(int)
