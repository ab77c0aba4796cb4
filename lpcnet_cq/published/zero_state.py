"""LPC filters of the released code, which start with a zero state in every frame; used for an ablation only.

Place in the chain: replaces the filters with state in `model` if `SystemConfig.zero_state` is set. Pre-emphasis and
de-emphasis keep their state. A(z) starts from zero in each of seven windowed segments of a frame, 1/A(z) in each frame,
and fades smooth the borders. The filter responses are truncated at the ends of the segments, so that even unquantised
frames do not reproduce the speech.

Letters: B batch, T frames, F = B T, W samples of a frame, M order, P segments of a frame.

References
----------
K. Zhen et al., arXiv 2002.05604 (2020), section 2.1, and the code released with it.
"""

import jax
import jax.numpy as jnp
import numpy as np

from dsp.frames import FrameSpec
from lpcnet_cq.published.frames import fade, overlap_add, overlapping_frames
from lpcnet_cq.speech import filters
from lpcnet_cq.speech.analysis import PREEMPHASIS


def emphasis(state: jax.Array) -> jax.Array:
    """Return the coefficients of 1 - mu z^-1, padded for a filter with this state, (B, 1, M+2)."""
    return jnp.zeros((len(state), 1, state.shape[1] + 1)).at[..., :2].set(jnp.array([1.0, -PREEMPHASIS]))


def segments(W: int) -> tuple[FrameSpec, np.ndarray]:
    """Return the division of a frame into seven segments that overlap by half, and their Hann windows (P, W/4).

    The first window has no rise and the last has no fall, so that all windows sum to 1 over the frame.
    """
    spec = FrameSpec(window=W // 4, hop=W // 8, look_ahead=W // 8, subframe=W // 8)
    windows = np.tile(fade(spec), (W // spec.hop - 1, 1))
    windows[0, : spec.hop] = windows[-1, spec.hop :] = 1
    return spec, windows


def residual(frames: jax.Array, a: jax.Array) -> jax.Array:
    """Filter frames by A(z), `a` (B, T, M+1), with a zero state in every segment; return the residual (B, T, W)."""
    B, T, W = frames.shape
    spec, windows = segments(W)
    x = frames.reshape(B * T, W)
    _, parts = overlapping_frames(x[:, : spec.hop], x[:, spec.hop :], spec)
    F, P, L = parts.shape
    taps = jnp.repeat(a.reshape(F, 1, -1), P, axis=0)
    _, e = filters.residual(jnp.zeros((F * P, a.shape[-1] - 1)), parts.reshape(F * P, L), taps)
    end, e = overlap_add(jnp.zeros((F, spec.hop)), e.reshape(F, P, L) * windows, spec)
    return jnp.concatenate([e, end], axis=1).reshape(B, T, W)


def synthesise(frames: jax.Array, a: jax.Array) -> jax.Array:
    """Filter residual frames (B, T, W) by 1/A(z), `a` (B, T, M+1), with a zero state in every frame; return speech."""
    B, T, W = frames.shape
    _, y = filters.synthesise(jnp.zeros((B * T, a.shape[-1] - 1)), frames.reshape(B * T, W), a.reshape(B * T, 1, -1))
    return y.reshape(B, T, W)
