"""Long-term postfilter: adds earlier pitch periods to decoded speech, which strengthens its harmonics.

Place in the chain: last block of the decoder, on synthesised speech. Quantisation noise lies at the harmonics and
between them. Adding earlier periods keeps the harmonics and averages the noise. No lag is transmitted or selected: all
lags are used, with weights from a softmax over the normalised cross-correlation. Therefore the output is a smooth
function of the input, and it is the same on every machine except for rounding. A small network computes the gains,
which are zero before training. Delay: none, because the filter uses past samples only.

Letters: B batch, S subframes, L samples per subframe, K taps, n sample of a subframe, m offset of an earlier subframe
within a frame of past and present samples: the lag is (frame length - L) - m.

References
----------
J.-H. Chen and A. Gersho, "Adaptive postfiltering for quality enhancement of coded speech", IEEE TSAP 3 (1995), for the
filter; J. Büthe et al., "LACE: a light-weight, causal model for enhancing coded speech", WASPAA 2023, for its training.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.nn.layers import CausalConv
from lpcnet_cq.speech.constants import BLOCKS, ENERGY_FLOOR, LONGEST_S, MAX_GAIN, SHORTEST_S, TAPS

HIDDEN = 32
SHARPNESS = 40.0  # initial sharpness of the softmax: 0.1 more correlation multiplies the weight by about 50


class LongTermPostfilter(nnx.Module):
    """Hold the network for the gains, and the parameters of the softmax over lags."""

    def __init__(self, conditions: int, L: int, sample_rate_hz: int, *, rngs: nnx.Rngs):
        shortest, longest = round(SHORTEST_S * sample_rate_hz), round(LONGEST_S * sample_rate_hz)
        self.L, self.n_lags = L, longest - shortest
        self.past = -(-longest // L)  # number of past subframes in a frame
        self.first = self.past * L - longest + 1  # m of the longest lag; the shortest lag has the largest m
        self.look = CausalConv(conditions + 2, HIDDEN, 3, rngs=rngs)
        self.gains = CausalConv(HIDDEN, 1 + TAPS, 1, gain=0.0, rngs=rngs)
        self.log_sharpness = nnx.Param(jnp.full((), np.log(SHARPNESS)))
        self.preference = nnx.Param(jnp.zeros(self.n_lags))

    def start(self, B: int) -> dict:
        """Return the state before the first sample."""
        return {"y": jnp.zeros((B, (self.past + BLOCKS - 1) * self.L)), "look": self.look.start(B)}

    def __call__(self, state: dict, y: jax.Array, cond: jax.Array) -> tuple[dict, jax.Array]:
        """Return the next state and the filtered speech, (B, S*L).

        Parameters
        ----------
        state : dict
        y : array (B, S*L)
            Synthesised speech.
        cond : array (B, S, C)
            Conditions of each subframe, from `residual_coder.conditions`.
        """
        B, S, _ = cond.shape
        ys = jnp.concatenate([state["y"], y], axis=1)
        blocks = ys.reshape(B, -1, self.L)
        frames = jnp.concatenate([blocks[:, i : i + S + BLOCKS - 1] for i in range(self.past + 1)], axis=-1)
        r = self.correlation(frames)
        w = jax.nn.softmax(jnp.exp(self.log_sharpness[...]) * r + self.preference[...], axis=-1)
        voicing = jnp.stack([jnp.sum(w * r, axis=-1), jnp.sum(w * w, axis=-1)], axis=-1)
        look, h = self.look(state["look"], jnp.concatenate([cond, voicing], axis=-1))
        g = self.gains(h[:, :0], jax.nn.silu(h))[1].clip(-MAX_GAIN, MAX_GAIN)[..., None]
        w = jnp.pad(w, ((0, 0), (0, 0), (TAPS // 2, TAPS // 2)))
        v = sum(g[:, :, 1 + k] * w[..., k : k + self.n_lags] for k in range(TAPS))
        v = jnp.pad(v, ((0, 0), (0, 0), (self.first, 0)))
        frames = frames[:, BLOCKS - 1 :]
        y = (1 + g[:, :, 0]) * frames[..., -self.L :] + slide(v, frames)[..., : self.L]
        return {"y": ys[:, S * self.L :], "look": look}, y.reshape(B, -1)

    def correlation(self, frames: jax.Array) -> jax.Array:
        """Return the normalised cross-correlation of the last `BLOCKS` subframes with the past, per lag, (B, S, m).

        Parameters
        ----------
        frames : array (B, S+BLOCKS-1, past*L + L)
            Subframes, each with its past; only the correlation uses the first `BLOCKS` - 1.
        """
        L, S = self.L, frames.shape[1] - BLOCKS + 1
        lags = slice(self.first, self.first + self.n_lags)

        def over_blocks(v):
            return sum(v[:, i : i + S] for i in range(BLOCKS))

        present = frames[..., -L:]
        sums = jnp.cumsum(jnp.pad(frames**2, ((0, 0), (0, 0), (1, 0))), axis=-1)
        earlier = over_blocks((sums[..., L:] - sums[..., :-L])[..., lags])
        energy = over_blocks(jnp.sum(present**2, axis=-1, keepdims=True))
        product = over_blocks(slide(present, frames)[..., lags])
        return product * jax.lax.rsqrt((earlier + ENERGY_FLOOR) * (energy + ENERGY_FLOOR))


def slide(kernel: jax.Array, frames: jax.Array) -> jax.Array:
    """Return sum_k kernel[k] frame[k + m], computed by FFT, for all m with the kernel inside the frame, (..., m)."""
    n = frames.shape[-1]
    product = jnp.conj(jnp.fft.rfft(kernel, n)) * jnp.fft.rfft(frames, n)  # no circular overlap: k + m < n
    return jnp.fft.irfft(product, n)[..., : n - kernel.shape[-1] + 1]
