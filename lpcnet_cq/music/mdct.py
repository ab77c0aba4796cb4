"""The lapped transform of the codec for music: one long block, or several short ones where sound sets in.

Place in the chain: first block of the encoder, last of the decoder. A block of N samples is rotated with its
neighbours around the borders between them, and what lies between two borders goes through a DCT-IV: that is the
modified discrete cosine transform, and it is orthogonal for any angles of rotation and any overlap. So windows can be
trained without losing perfect reconstruction, and blocks can be split: borders with a split block on either side
overlap by an N/8 th, and a split block has borders of its own inside. Delay: one block beyond the packet, one in the
decoder.

Letters: B signals, T packets, N samples in a block, J short blocks in it, D lines coded, p and q the samples before and
behind a border, nearest first.

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

UNIT = 0.1  # angles are trained in: small units make small learning steps


def dct4(L: int) -> np.ndarray:
    """Return the orthogonal, symmetric matrix of a DCT-IV, float32 (L, L)."""
    n = np.arange(L) + 0.5
    return ((2 / L) ** 0.5 * np.cos(np.pi / L * n[:, None] * n[None])).astype(np.float32)


def sine_angles(h: int) -> jax.Array:
    """Return the angles at which 2h samples around a border are rotated for a sine window, (h,), nearest first."""
    return np.pi / 4 * (1 - (jnp.arange(h, dtype=jnp.float32) + 0.5) / h)


class Blocks(nnx.Module):
    """Transform blocks to lines, and back."""

    def __init__(self, c: MusicConfig):
        self.N, self.J, self.D = c.spec.hop, c.splits, c.n_latents
        self.long = nnx.Param(jnp.zeros(self.N // 2))  # angles beside those of a sine window
        self.short = nnx.Param(jnp.zeros(self.N // self.J // 2))

    def analyse(self, x: jax.Array, split: jax.Array) -> jax.Array:
        """Return the lines of the T inner blocks, (B, T, D).

        Parameters
        ----------
        x : array (B, T+2, N)
        split : array (B, T+2)
            1 for blocks to split, 0 for others.
        """
        cos, sin = self._turns(jnp.maximum(split[:, :-1], split[:, 1:]))
        p, q = x[:, :-1, : self.N // 2 - 1 : -1], x[:, 1:, : self.N // 2]
        before, behind = cos * p - sin * q, sin * p + cos * q
        u = jnp.concatenate([behind[:, :-1], before[:, 1:, ::-1]], axis=-1)
        long = u @ dct4(self.N)[:, : self.D]
        v = self._inside(u.reshape(*u.shape[:2], self.J, -1), 1.0) @ dct4(self.N // self.J)[:, : self.D // self.J]
        short = jnp.swapaxes(v, 2, 3).reshape(long.shape)  # lines of one frequency lie side by side
        return jnp.where(split[:, 1:-1, None] > 0, short, long)

    def synthesise(self, state: tuple, X: jax.Array, split: jax.Array) -> tuple[tuple, jax.Array]:
        """Return the blocks before each packet's, (B, T, N): the inverse of `analyse`, one block late.

        Parameters
        ----------
        state : tuple
            Of what is left of the block before, (B, N), and whether it was split, (B,).
        X : array (B, T, D)
        split : array (B, T)
        """
        B, T, _ = X.shape
        before, was = state
        long = X @ dct4(self.N)[: self.D]
        v = jnp.swapaxes(X.reshape(B, T, self.D // self.J, self.J), 2, 3) @ dct4(self.N // self.J)[: self.D // self.J]
        u = jnp.where(split[..., None] > 0, self._inside(v, -1.0).reshape(long.shape), long)
        u = jnp.concatenate([before[:, None], u], axis=1)
        split = jnp.concatenate([was[:, None], split], axis=1)
        cos, sin = self._turns(jnp.maximum(split[:, :-1], split[:, 1:]))
        p, q = u[:, :-1, : self.N // 2 - 1 : -1], u[:, 1:, : self.N // 2]
        p, q = cos * p + sin * q, cos * q - sin * p
        head = jnp.concatenate([before[:, None, : self.N // 2], q[:, :-1]], axis=1)  # its border is turned back already
        x = jnp.concatenate([head, p[:, :, ::-1]], axis=-1)
        last = jnp.concatenate([q[:, -1], u[:, -1, self.N // 2 :]], axis=-1)
        return (last, split[:, -1]), x

    def _turns(self, split):
        """Return cosines and sines at borders, (B, borders, N/2) each."""
        h = self.N // self.J // 2
        long = sine_angles(self.N // 2) + UNIT * self.long[...]
        short = jnp.pad(sine_angles(h) + UNIT * self.short[...], (0, self.N // 2 - h))
        angles = jnp.where(split[..., None] > 0, short, long)
        return jnp.cos(angles), jnp.sin(angles)

    def _inside(self, v, sign):
        """Turn the samples around the borders inside split blocks, (B, T, J, N/J), forth (sign 1) or back (-1)."""
        h = v.shape[-1] // 2
        angles = sine_angles(h) + UNIT * self.short[...]
        cos, sin = jnp.cos(angles), sign * jnp.sin(angles)
        p, q = v[..., :-1, : h - 1 : -1], v[..., 1:, :h]
        before, behind = cos * p - sin * q, sin * p + cos * q
        head = jnp.concatenate([v[..., :1, :h], behind], axis=-2)
        tail = jnp.concatenate([before[..., ::-1], v[..., -1:, h:]], axis=-2)
        return jnp.concatenate([head, tail], axis=-1)
