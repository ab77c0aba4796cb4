"""Frame lengths and framing, for all other modules.

Place in the chain: first block of every analysis. Delay: the analysis of a frame needs all samples of its window, which
ends `look_ahead` samples after the frame.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dsp._arguments import instance, integer_in, real_array


@dataclass(frozen=True)
class FrameSpec:
    """Hold the framing of a signal; all lengths are in samples.

    Parameters
    ----------
    sample_rate_hz : int > 0
    window : int > 0
        Length of the analysis window.
    hop : int > 0
        Length of a frame, a multiple of `subframe`.
    look_ahead : int >= 0
        Samples from the end of a frame to the end of its window.
    subframe : int > 0
        Length of a subframe.

    Raises
    ------
    ValueError
        If a length is out of range or `hop` is not a multiple of `subframe`.

    Examples
    --------
    >>> FrameSpec().ms(FrameSpec().delay)
    28.0
    """

    sample_rate_hz: int = 16000
    window: int = 480
    hop: int = 320
    look_ahead: int = 128
    subframe: int = 64

    def __post_init__(self):
        for name in ("sample_rate_hz", "window", "hop", "subframe"):
            integer_in(name, getattr(self, name), 1)
        integer_in("look_ahead", self.look_ahead, 0)
        if self.hop % self.subframe:
            raise ValueError(f"`hop` is {self.hop}, it must be a multiple of `subframe` ({self.subframe})")

    @property
    def n_subframes(self) -> int:
        """Subframes per frame."""
        return self.hop // self.subframe

    @property
    def delay(self) -> int:
        """Number of samples from the start of a frame to the end of its window."""
        return self.hop + self.look_ahead

    def n_frames(self, n_samples: int) -> int:
        """Return the number of frames for `n_samples`, including an incomplete last frame."""
        return -(-n_samples // self.hop)

    def ms(self, n_samples: float) -> float:
        """Return the duration of `n_samples` in milliseconds."""
        return 1000 * n_samples / self.sample_rate_hz


def frame(x: ArrayLike, spec: FrameSpec) -> np.ndarray:
    """Cut a signal into overlapping analysis windows, without weighting them.

    Window n ends at sample (n+1) hop + look_ahead; the signal is padded with zeros on both sides.

    Parameters
    ----------
    x : array (..., n_samples)
    spec : FrameSpec

    Returns
    -------
    array (..., n_frames, window)
        A read-only view into a padded copy.

    Raises
    ------
    ValueError
        If `x` has no axis, or is no array of real numbers.

    Examples
    --------
    >>> frame(np.arange(4.0), FrameSpec(window=3, hop=2, look_ahead=0, subframe=1)).tolist()
    [[0.0, 0.0, 1.0], [1.0, 2.0, 3.0]]
    """
    instance("spec", spec, FrameSpec)
    x = real_array("x", x)
    T = spec.n_frames(x.shape[-1])
    front = max(0, spec.window - spec.delay)
    skip = max(0, spec.delay - spec.window)  # the first window may begin inside the signal
    back = max(0, T * spec.hop + spec.look_ahead - x.shape[-1])
    padded = np.pad(x, [(0, 0)] * (x.ndim - 1) + [(front, back)])[..., skip:]
    if T == 0:
        return np.zeros((*x.shape[:-1], 0, spec.window), padded.dtype)
    windows = np.lib.stride_tricks.sliding_window_view(padded, spec.window, axis=-1)
    return windows[..., :: spec.hop, :][..., :T, :]
