"""Overlapping frames in JAX, with state: framing, fades, and overlap-add.

Frame t covers the samples from t*hop to t*hop + window. Neighbouring frames overlap by the `look_ahead` of the
`FrameSpec`. The state consists of the samples of the overlap.

Letters: B batch, T frames, W samples of a frame.
"""

import jax
import jax.numpy as jnp
import numpy as np

from dsp.frames import FrameSpec


def fade(spec: FrameSpec) -> np.ndarray:
    """Return the window (W,): Hann rise over the overlap, ones, Hann fall; copies shifted by the hop sum to 1."""
    V = spec.look_ahead
    rise = np.sin(0.5 * np.pi * (np.arange(V) + 0.5) / V) ** 2
    return np.concatenate([rise, np.ones(spec.window - 2 * V), rise[::-1]]).astype(np.float32)


def overlapping_frames(tail: jax.Array, x: jax.Array, spec: FrameSpec) -> tuple[jax.Array, jax.Array]:
    """Return the next tail and the frames (B, T, W) of `tail` (B, overlap) followed by x (B, T*hop)."""
    B, N = x.shape
    V = spec.look_ahead
    whole = jnp.concatenate([tail, x], axis=1)
    heads = whole[:, :N].reshape(B, -1, spec.hop)
    ends = x.reshape(B, -1, spec.hop)[..., spec.hop - V :]
    return whole[:, N:], jnp.concatenate([heads, ends], axis=-1)


def overlap_add(tail: jax.Array, frames: jax.Array, spec: FrameSpec) -> tuple[jax.Array, jax.Array]:
    """Return the next tail and T*hop complete samples; `tail` (B, overlap) comes from the frame before."""
    B, T, _ = frames.shape
    V = spec.look_ahead
    ends = jnp.concatenate([tail[:, None], frames[..., spec.hop :]], axis=1)
    y = frames[..., : spec.hop] + jnp.pad(ends[:, :T], ((0, 0), (0, 0), (0, spec.hop - V)))
    return ends[:, T], y.reshape(B, T * spec.hop)
