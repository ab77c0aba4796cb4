"""Front end on whole signals, in NumPy: a coded level, and the LSFs of every frame.

Place in the chain: first block of the encoder and of training. The papers normalise whole files and do not count the
bits of the scale; here a level with 8 bits per file replaces it. Their 50 Hz high-pass filter, which the decoder does
not undo, is omitted.
"""

import numpy as np
from scipy.signal import get_window

from dsp.frames import frame
from dsp.lpc import autocorrelation, levinson_durbin
from dsp.lsf import lpc_to_lsf
from lpcnet_cq.published.config import SystemConfig
from lpcnet_cq.speech.analysis import PREEMPHASIS, WHITE_NOISE
from lpcnet_cq.training.active_level import active_level_dbov

LEVEL_BITS = 8
LEVEL_STEP_DB = 0.25
LSF_TAIL = 1e-3  # share of the LSFs below the lowest level, and above the highest


def level_index(x: np.ndarray, c: SystemConfig) -> int:
    """Return the active level of a signal in steps of 0.25 dB below full scale, clipped to 0..255.

    Examples
    --------
    >>> from lpcnet_cq.published.config import PRESETS
    >>> level_index(0.1 * np.ones(4800), PRESETS["cmrl"].system)
    80
    """
    level_dbov = active_level_dbov(x, c.spec.hop)
    return int(np.clip(np.round(-level_dbov / LEVEL_STEP_DB), 0, (1 << LEVEL_BITS) - 1))


def level_gain(index: int, c: SystemConfig) -> float:
    """Return the factor that scales a signal of this level to the level of the networks."""
    return c.level * 10 ** (index * LEVEL_STEP_DB / 20)


def lpc_window(n: int) -> np.ndarray:
    """Return a window (n,): Hann rise over the first quarter, ones, Hann fall over the last quarter."""
    hann = get_window("hann", n // 2)
    return np.concatenate([hann[: n // 4], np.ones(n // 2), hann[n // 4 :]])


def analyse_lsf(x: np.ndarray, c: SystemConfig) -> np.ndarray:
    """Return the LSFs (T, M) of the frames of x (T*hop,), float32, rad.

    Frame t begins one overlap before sample t*hop; its window begins half a frame before the frame.

    References
    ----------
    K. Zhen et al., arXiv 2002.05604 (2020), section 2.1; white-noise correction of 3GPP TS 26.190, 5.2.1.
    """
    x = np.asarray(x, np.float64)
    emphasised = x - PREEMPHASIS * np.concatenate([[0.0], x[:-1]])
    windows = frame(emphasised, c.lpc_spec) * lpc_window(c.lpc_spec.window)
    r = autocorrelation(windows, c.order)
    r[..., 0] = r[..., 0] * (1 + WHITE_NOISE) + 1e-9
    a, _, _ = levinson_durbin(r)
    return lpc_to_lsf(a).astype(np.float32)


def lsf_levels(lsf: np.ndarray, n_centroids: int) -> np.ndarray:
    """Return the initial codebook (n_centroids,): evenly spaced levels over the range of each LSF, concatenated.

    Parameters
    ----------
    lsf : array (n, M)
        Observed LSFs.
    n_centroids : int
        A multiple of M.
    """
    low, high = np.quantile(lsf, [LSF_TAIL, 1 - LSF_TAIL], axis=0)
    return np.sort(np.linspace(low, high, n_centroids // lsf.shape[1]).ravel()).astype(np.float32)


def prepare(x: np.ndarray, c: SystemConfig, T: int) -> dict[str, np.ndarray]:
    """Return the T frames in the middle of crops, `x` (B, T*hop), and with an LPC front end their `lsf`.

    Parameters
    ----------
    x : array (B, N)
        Crops of at least T + 2 frames. The level is that of the whole crop, as it is of a whole file, and the windows
        of the LSFs extend beyond the frames.
    c : SystemConfig
    T : int
    """
    hop = c.spec.hop
    first = (x.shape[1] - (T + 2) * hop) // 2
    if first < 0:
        raise ValueError(f"`x` has {x.shape[1]} samples, it must have at least {(T + 2) * hop} for {T} frames")
    scaled = np.stack([row * np.float32(level_gain(level_index(row, c), c)) for row in x])
    scaled = scaled[:, first : first + (T + 2) * hop]
    inner = {"x": scaled[:, hop:-hop]}
    return inner | {"lsf": np.stack([analyse_lsf(row, c)[1:-1] for row in scaled])} if c.n_lsf else inner
