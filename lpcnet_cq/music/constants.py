"""Constants of the blocks for music, which every runtime needs; this module imports no array library but NumPy."""

import numpy as np

# bands
QUIET = 2.0**-28  # mean square of an inaudible line: 24 dB below the minimum of the absolute threshold of hearing
MAX_COEFFICIENT = 12  # largest magnitude of a prediction coefficient, in units of 1 / `PREDICTION_STEPS`
COST_BITS = 5.0  # approximate bits of a coefficient; prediction saves half a bit per line and halving of the energy

# line_decoder
INPUTS = 6  # per line
AHEAD = 1  # positions above the present one that a kernel of three positions covers
MAX_NOISE = 0.5  # largest noise amplitude, in step sizes
NOISE_BIAS = -1.0  # the sigmoid of this value is the initial noise level
MAX_GAIN_CHANGE = 0.2  # largest relative change of a line's magnitude

# psychoacoustics
FULL_SCALE_DB = 96.0  # SPL of a full-scale sinusoid

# mdct
ANGLE_UNIT = 0.1  # unit in which angles are trained: a small unit makes training steps small


def sine_angles(h: int) -> np.ndarray:
    """Return the rotation angles (h,) of a sine window over 2h samples around a border, by distance from the border.

    Examples
    --------
    >>> np.degrees(sine_angles(2)).tolist()
    [33.75, 11.25]
    """
    return (np.pi / 4 * (1 - (np.arange(h) + 0.5) / h)).astype(np.float32)
