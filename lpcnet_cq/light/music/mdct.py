"""Switched MDCT in NumPy: the transform of `lpcnet_cq.music.mdct`, in double precision, with a fast DCT-IV.

Letters: B signals, T packets, N samples in a block, J short blocks per long block, D coded lines, p and q samples
before and after a border, in order of their distance from the border, L length of a transform.
"""

from typing import NamedTuple

import numpy as np

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.constants import ANGLE_UNIT, sine_angles


class Rotation(NamedTuple):
    """Hold cosines and sines of the rotation angles at a border, by distance from the border."""

    cos: np.ndarray
    sin: np.ndarray

    def forward(self, p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return p and q after rotation."""
        return self.cos * p - self.sin * q, self.sin * p + self.cos * q

    def back(self, p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the p and q that `forward` has rotated."""
        return self.cos * p + self.sin * q, self.cos * q - self.sin * p


class Dct4:
    """DCT-IV of length L, orthogonal and its own inverse, by one complex FFT of half the length.

    Examples
    --------
    >>> x = np.arange(8.0)
    >>> np.allclose(Dct4(8)(Dct4(8)(x)), x)
    True

    References
    ----------
    H. S. Malvar, "Signal Processing with Lapped Transforms" (1992), 2.4.3.
    """

    def __init__(self, L: int):
        self._twiddle = np.exp(-1j * np.pi / L * (np.arange(L // 2) + 0.125))
        self._scale = (2 / L) ** 0.5

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the transform (..., L) of x (..., L)."""
        v = (x[..., ::2] + 1j * x[..., ::-2]) * self._twiddle
        v = np.fft.fft(v)
        v *= self._twiddle * self._scale
        y = np.empty(x.shape)
        y[..., ::2], y[..., ::-2] = v.real, -v.imag
        return y


class Blocks:
    """Transform blocks of samples to lines, and back.

    Parameters
    ----------
    params : dict
        `long` (N/2,) and `short` (N/J/2,), which are added to the angles of sine windows.
    c : MusicConfig
    """

    def __init__(self, params: dict, c: MusicConfig):
        self.N, self.J, self.D = c.spec.hop, c.short_blocks, c.n_latents
        long, short = (
            sine_angles(len(params[k])) + ANGLE_UNIT * np.asarray(params[k], np.float64) for k in ("long", "short")
        )
        padded = np.pad(short, (0, len(long) - len(short)))
        angles = np.stack([long, padded])  # by whether a block next to the border is short
        self._borders = Rotation(np.cos(angles), np.sin(angles))
        self._inner = Rotation(np.cos(short), np.sin(short))
        self._long, self._short = Dct4(self.N), Dct4(self.N // self.J)

    def analyse(self, x: np.ndarray, is_short: np.ndarray) -> np.ndarray:
        """Return the lines of the T inner blocks, float64 (B, T, D).

        Parameters
        ----------
        x : array (B, T+2, N)
        is_short : int array (T+2,)
            1 where short blocks are used, 0 elsewhere.
        """
        h = self.N // 2
        before, behind = self._rotation(is_short).forward(x[:, :-1, : h - 1 : -1], x[:, 1:, :h])
        u = np.concatenate([behind[:, :-1], before[:, 1:, ::-1]], axis=-1)
        lines = self._long(u)[..., : self.D]
        for t in np.flatnonzero(is_short[1:-1]):
            v = self._short(self._inside(u[:, t].reshape(len(u), self.J, -1), self._inner.forward))
            lines[:, t] = v[..., : self.D // self.J].swapaxes(1, 2).reshape(len(u), -1)
        return lines

    def synthesise(
        self, state: tuple[np.ndarray, int], X: np.ndarray, is_short: np.ndarray
    ) -> tuple[tuple[np.ndarray, int], np.ndarray]:
        """Return samples, float64 (B, T, N): the inverse of `analyse`, delayed by one block.

        Parameters
        ----------
        state : tuple
            Incomplete samples of the block before, (B, N), and its short-block flag.
        X : array (B, T, D)
        is_short : int array (T,)
        """
        B, T, _ = X.shape
        h, (before, was_short) = self.N // 2, state
        u = np.empty((B, T + 1, self.N))
        u[:, 0] = before
        u[:, 1:] = self._long(np.pad(X, ((0, 0), (0, 0), (0, self.N - self.D))))
        for t in np.flatnonzero(is_short):
            v = X[:, t].reshape(B, -1, self.J).swapaxes(1, 2)
            v = self._short(np.pad(v, ((0, 0), (0, 0), (0, (self.N - self.D) // self.J))))
            u[:, t + 1] = self._inside(v, self._inner.back).reshape(B, -1)
        rotation = self._rotation(np.concatenate([[was_short], is_short]))
        p, q = rotation.back(u[:, :-1, : h - 1 : -1], u[:, 1:, :h])
        head = np.concatenate([before[:, None, :h], q[:, :-1]], axis=1)  # first halves, complete
        x = np.concatenate([head, p[:, :, ::-1]], axis=-1)
        last = np.concatenate([q[:, -1], u[:, -1, h:]], axis=-1)
        return (last, int(is_short[-1])), x

    def _rotation(self, is_short: np.ndarray) -> Rotation:
        """Return the rotations at the borders between blocks, (borders, N/2)."""
        at = np.maximum(is_short[:-1], is_short[1:])
        return Rotation(self._borders.cos[at], self._borders.sin[at])

    def _inside(self, v: np.ndarray, rotate) -> np.ndarray:
        """Rotate samples (B, J, N/J) at the borders between short blocks."""
        h = v.shape[-1] // 2
        before, behind = rotate(v[:, :-1, : h - 1 : -1], v[:, 1:, :h])
        head = np.concatenate([v[:, :1, :h], behind], axis=1)
        tail = np.concatenate([before[..., ::-1], v[:, -1:, h:]], axis=1)
        return np.concatenate([head, tail], axis=-1)
