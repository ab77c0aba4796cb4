"""Switched MDCT of the codec for music: one long block per packet, or short blocks at a transient.

Place in the chain: first block of the encoder, last block of the decoder. The modified discrete cosine transform is
computed in two steps: pairs of samples on both sides of every block border are rotated, then a DCT-IV transforms the
samples between two borders. The result is orthogonal for all rotation angles and all overlaps. Therefore the windows
can be trained, and reconstruction remains perfect. Short blocks use the same steps: a border next to short blocks has
an overlap of N/8, and there are additional borders between the short blocks. Delay: one block of look-ahead in the
encoder, one block in the decoder.

Letters: B signals, T packets, N samples in a block, J short blocks per long block, D coded lines, p and q samples
before and after a border, in order of their distance from the border.

References
----------
J. Princen, A. Johnson and A. Bradley (ICASSP 1987) for the transform; B. Edler, "Codierung von Audiosignalen mit
überlappender Transformation und adaptiven Fensterfunktionen", Frequenz 43 (1989), for its switching.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.constants import ANGLE_UNIT, sine_angles


def dct4(L: int) -> np.ndarray:
    """Return the orthogonal, symmetric matrix of a DCT-IV, float32 (L, L)."""
    n = np.arange(L) + 0.5
    return ((2 / L) ** 0.5 * np.cos(np.pi / L * n[:, None] * n[None])).astype(np.float32)


class Blocks(nnx.Module):
    """Transform blocks of samples to lines, and back."""

    def __init__(self, c: MusicConfig):
        self.N, self.J, self.D = c.spec.hop, c.short_blocks, c.n_latents
        self.long = nnx.Param(jnp.zeros(self.N // 2))  # added to the angles of a sine window
        self.short = nnx.Param(jnp.zeros(self.N // self.J // 2))

    def analyse(self, x: jax.Array, is_short: jax.Array) -> jax.Array:
        """Return the lines of the T inner blocks, (B, T, D).

        Parameters
        ----------
        x : array (B, T+2, N)
        is_short : array (B, T+2)
            1 where short blocks are used, 0 elsewhere.
        """
        cos, sin = self._rotations(jnp.maximum(is_short[:, :-1], is_short[:, 1:]))
        p, q = x[:, :-1, : self.N // 2 - 1 : -1], x[:, 1:, : self.N // 2]
        before, behind = cos * p - sin * q, sin * p + cos * q
        u = jnp.concatenate([behind[:, :-1], before[:, 1:, ::-1]], axis=-1)
        long = u @ dct4(self.N)[:, : self.D]
        v = self._inside(u.reshape(*u.shape[:2], self.J, -1), 1.0) @ dct4(self.N // self.J)[:, : self.D // self.J]
        short = jnp.swapaxes(v, 2, 3).reshape(long.shape)  # lines of the same frequency become neighbours
        return jnp.where(is_short[:, 1:-1, None] > 0, short, long)

    def synthesise(self, state: tuple, X: jax.Array, is_short: jax.Array) -> tuple[tuple, jax.Array]:
        """Return samples (B, T, N): the inverse of `analyse`, delayed by one block.

        Parameters
        ----------
        state : tuple
            Incomplete samples of the block before, (B, N), and its short-block flag, (B,).
        X : array (B, T, D)
        is_short : array (B, T)
        """
        B, T, _ = X.shape
        before, was_short = state
        long = X @ dct4(self.N)[: self.D]
        v = jnp.swapaxes(X.reshape(B, T, self.D // self.J, self.J), 2, 3) @ dct4(self.N // self.J)[: self.D // self.J]
        u = jnp.where(is_short[..., None] > 0, self._inside(v, -1.0).reshape(long.shape), long)
        u = jnp.concatenate([before[:, None], u], axis=1)
        is_short = jnp.concatenate([was_short[:, None], is_short], axis=1)
        cos, sin = self._rotations(jnp.maximum(is_short[:, :-1], is_short[:, 1:]))
        p, q = u[:, :-1, : self.N // 2 - 1 : -1], u[:, 1:, : self.N // 2]
        p, q = cos * p + sin * q, cos * q - sin * p
        head = jnp.concatenate([before[:, None, : self.N // 2], q[:, :-1]], axis=1)  # first halves, complete
        x = jnp.concatenate([head, p[:, :, ::-1]], axis=-1)
        last = jnp.concatenate([q[:, -1], u[:, -1, self.N // 2 :]], axis=-1)
        return (last, is_short[:, -1]), x

    def _rotations(self, is_short):
        """Return cosines and sines of the rotation angles at borders, (B, borders, N/2) each."""
        h = self.N // self.J // 2
        long = sine_angles(self.N // 2) + ANGLE_UNIT * self.long[...]
        short = jnp.pad(sine_angles(h) + ANGLE_UNIT * self.short[...], (0, self.N // 2 - h))
        angles = jnp.where(is_short[..., None] > 0, short, long)
        return jnp.cos(angles), jnp.sin(angles)

    def _inside(self, v, sign):
        """Rotate samples (B, T, J, N/J) at the borders between short blocks; sign -1 is the inverse of sign 1."""
        h = v.shape[-1] // 2
        angles = sine_angles(h) + ANGLE_UNIT * self.short[...]
        cos, sin = jnp.cos(angles), sign * jnp.sin(angles)
        p, q = v[..., :-1, : h - 1 : -1], v[..., 1:, :h]
        before, behind = cos * p - sin * q, sin * p + cos * q
        head = jnp.concatenate([v[..., :1, :h], behind], axis=-2)
        tail = jnp.concatenate([before[..., ::-1], v[..., -1:, h:]], axis=-2)
        return jnp.concatenate([head, tail], axis=-1)
