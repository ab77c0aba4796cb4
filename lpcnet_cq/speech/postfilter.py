"""An adaptive comb filter: voiced speech is strengthened by what it was a pitch period ago.

Place in the chain: the decoder's last block, on synthesised speech. Quantisation noise lies between the harmonics as
well as on them; adding earlier periods keeps the harmonics and averages the noise. No lag is sent and none is decided:
every lag counts by a softmax of its normalised cross-correlation, so that the output is a smooth function of the input,
on every machine the same but for rounding. The gains come from a small network, which starts from no filter at all.
Delay: none, it looks back only.

Letters: B batch, S subframes, L samples per subframe, K taps, n sample of a subframe, m start of an earlier subframe
within a frame of the past: the lag is (frame length - L) - m.

References
----------
J.-H. Chen and A. Gersho, "Adaptive postfiltering for quality enhancement of coded speech", IEEE TSAP 3 (1995), for the
comb; J. Büthe et al., "LACE: a light-weight, causal model for enhancing coded speech", WASPAA 2023, for its training.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.nn.layers import CausalConv

SHORTEST_S, LONGEST_S = 0.002, 0.018  # lags: 500 to 56 Hz
BLOCKS = 4  # subframes over which the past is compared with the present
TAPS = 5  # around every lag
HIDDEN = 32
SHARPNESS = 40.0  # of the softmax, to start from: 0.1 of correlation is a factor of 50
FLOOR = 1e-6  # energy of a subframe, full scale 1, that counts as none
LARGEST = 1.0  # bound of the gains


class LongTermPostfilter(nnx.Module):
    """Hold the network that chooses the gains, and how lags compete."""

    def __init__(self, conditions: int, L: int, sample_rate_hz: int, *, rngs: nnx.Rngs):
        shortest, longest = round(SHORTEST_S * sample_rate_hz), round(LONGEST_S * sample_rate_hz)
        self.L, self.n_lags = L, longest - shortest
        self.past = -(-longest // L)  # subframes a frame reaches back
        self.first = self.past * L - longest + 1  # m of the longest lag; the shortest comes last
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
            What the decoder knows of each subframe.
        """
        B, S, _ = cond.shape
        ys = jnp.concatenate([state["y"], y], axis=1)
        blocks = ys.reshape(B, -1, self.L)
        frames = jnp.concatenate([blocks[:, i : i + S + BLOCKS - 1] for i in range(self.past + 1)], axis=-1)
        r = self.correlation(frames)
        w = jax.nn.softmax(jnp.exp(self.log_sharpness[...]) * r + self.preference[...], axis=-1)
        voicing = jnp.stack([jnp.sum(w * r, axis=-1), jnp.sum(w * w, axis=-1)], axis=-1)
        look, h = self.look(state["look"], jnp.concatenate([cond, voicing], axis=-1))
        g = self.gains(h[:, :0], jax.nn.silu(h))[1].clip(-LARGEST, LARGEST)[..., None]
        w = jnp.pad(w, ((0, 0), (0, 0), (TAPS // 2, TAPS // 2)))
        v = sum(g[:, :, 1 + k] * w[..., k : k + self.n_lags] for k in range(TAPS))
        v = jnp.pad(v, ((0, 0), (0, 0), (self.first, 0)))
        frames = frames[:, BLOCKS - 1 :]
        y = (1 + g[:, :, 0]) * frames[..., -self.L :] + slide(v, frames)[..., : self.L]
        return {"y": ys[:, S * self.L :], "look": look}, y.reshape(B, -1)

    def correlation(self, frames: jax.Array) -> jax.Array:
        """Return the normalised cross-correlation of the last `BLOCKS` subframes with those of every lag, (B, S, m).

        Parameters
        ----------
        frames : array (B, S+BLOCKS-1, past*L + L)
            Subframes with the past before them, the first ones for comparison only.
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
        return product * jax.lax.rsqrt((earlier + FLOOR) * (energy + FLOOR))


def slide(kernel: jax.Array, frames: jax.Array) -> jax.Array:
    """Return sum_k kernel[k] frame[k + m] for every m at which the kernel lies within the frame, (..., m), by FFT."""
    n = frames.shape[-1]
    product = jnp.conj(jnp.fft.rfft(kernel, n)) * jnp.fft.rfft(frames, n)  # nothing wraps around: k + m < n
    return jnp.fft.irfft(product, n)[..., : n - kernel.shape[-1] + 1]
