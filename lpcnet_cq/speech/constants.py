"""Constants of the blocks for speech, which every runtime needs; this module imports no array library but NumPy.

Names begin with the block they belong to where it would not be clear otherwise.
"""

import numpy as np

from dsp.frames import FrameSpec

# model
GAIN_FLOOR = 1e-9  # mean square added before the logarithm: its root is about a 16-bit step
LOG_GAINS = (-16.0, 4.0)  # range of log gains (natural log); only damaged streams exceed it
LSF_UNIT, GAIN_UNIT = 0.02, 0.1  # units in which the transform quantisers are trained
START_LEVEL = -10.0  # log gain (natural log) before the first packet

# envelope
MIN_DISTANCE = 0.015  # rad, about 38 Hz at 16 kHz: keeps 1/A(z) stable and limits its resonances
GAMMA = 0.92  # W(z) = A(z/gamma) on plain speech, A of pre-emphasised speech: 3GPP TS 26.190, 5.4

# lapped
MAX_LOG_SHAPE = 3.0  # bound of the magnitude of the noise shape (natural log)
POWER_FLOOR = 1e-6  # added to |A|^2 before the logarithm
LAPPED_UNIT = 0.1  # unit in which the transform is trained: a small unit makes relative training steps small

# allocation
PEAK_DECAY = 0.005  # natural log units per subframe: the peak level decreases by about 10 dB per second
MAX_LOG_FACTOR = 2.0  # bound of the magnitude of the log factor (natural log)

# residual_coder
FINE_DILATIONS = (1, 3)
COARSE_DILATIONS = (1, 2, 4)

# postfilter
SHORTEST_S, LONGEST_S = 0.002, 0.018  # lags: 500 to 56 Hz
BLOCKS = 4  # number of subframes over which the cross-correlation is computed
TAPS = 5  # filter taps around every lag
ENERGY_FLOOR = 1e-6  # added to the energy of subframes, full scale 1, so that silence has a correlation of zero
MAX_GAIN = 1.0  # bound of the magnitude of the gains

# concealment
MIN_LAG, MAX_LAG, WINDOW = 32, 288, 320  # range of pitch lags and length of the correlation window, in samples
HISTORY = WINDOW + MAX_LAG  # H
SMOOTH = 8  # length of a moving average in samples: the pitch is estimated below 1 kHz
LAG_COST = 0.05  # subtracted from the correlation at the longest lag: avoids multiples of the period
FADE_FROM, FADE_TO = 4, 8  # number of lost packets at which speech starts to fade, and at which only noise remains
FLOOR_RISE = 0.01  # natural log units per packet by which the estimate of the noise floor rises
FLOOR_MARGIN = 0.2  # natural log units: packets this close to the floor update the envelope of the comfort noise
DRIFTS = np.arange(-25, 26) * 0.006  # relative changes of the period that are tried to meet the next packet
DRIFT_COST = 0.2  # subtracted from the correlation at the largest drift
ALIGNED = 240  # samples of the next packet that the repeated periods are correlated with
VOICED = 0.25  # voicing from which the period drifts
NOISE_OFFSET = 1 << 30  # added to positions, so that this noise differs from the other noise of the decoder


def interpolation_weights(spec: FrameSpec) -> np.ndarray:
    """Return the weight w of the present LSF vector in each subframe, shape (S,); the previous one has 1 - w.

    The position of a vector is the centre of its analysis window; that of a filter is the centre of its subframe.
    """
    centre = spec.hop + spec.look_ahead - spec.window / 2
    subframe_centre = (np.arange(spec.n_subframes) + 0.5) * spec.subframe
    return ((subframe_centre - (centre - spec.hop)) / spec.hop).clip(0.0, 1.0)
