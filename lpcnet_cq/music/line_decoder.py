"""Network over spectral lines: gains for decoded lines, and the level of the noise that replaces zero lines.

Place in the chain: in the decoder, between the integers and the inverse transform. A small convolutional network runs
along the lines of a packet, eight lines per position (with short blocks: one frequency of all short blocks). Its inputs
are magnitudes and step sizes of this packet and of the packet before. Its outputs are a positive gain for every line,
so that signs do not change, and the noise level of zero lines relative to the band energy. Delay: none.

Letters: B batch, T packets, D lines, J lines per position, C channels.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.constants import AHEAD, INPUTS, MAX_GAIN_CHANGE, MAX_NOISE, NOISE_BIAS
from lpcnet_cq.nn.layers import Block, CausalConv, run_all, start_all


class Decoder(nnx.Module):
    """Map integers and band levels to decoded lines in units of their step sizes."""

    def __init__(self, c: MusicConfig, *, rngs: nnx.Rngs):
        self.J = c.short_blocks
        self.lines = nnx.List(
            [CausalConv(INPUTS * self.J + 2, c.fine, 3, rngs=rngs)]
            + [Block(c.fine, 3, 1, rngs=rngs) for _ in range(c.fine_blocks)]
            + [CausalConv(c.fine, 2 * self.J, 1, gain=0.1, rngs=rngs)]
        )
        self.ahead = AHEAD * (1 + c.fine_blocks)

    def start(self, B: int, D: int) -> dict:
        """Return the state before the first packet: magnitudes and ratios of the last packet, (B, 1, 2, D) each."""
        return {"size": jnp.zeros((B, 1, 2, D)), "ratio": jnp.zeros((B, 1, 2, D))}

    def __call__(self, state: dict, n: jax.Array, ratio: jax.Array, is_short: jax.Array, noise: jax.Array):
        """Return the next state and the lines in units of their step sizes, (B, T, 2, D).

        Parameters
        ----------
        state : dict
        n : array (B, T, 2, D)
            Integers, or in training values before rounding.
        ratio : array (B, T, 2, D)
            Ratio of the root mean square of the band to the step size, in octaves.
        is_short : array (B, T)
            1 for packets with short blocks, 0 for others.
        noise : array (T, 2, D)
            Uniform in [-1, 1).
        """
        B, T, _, D = n.shape
        now = {"size": jnp.arcsinh(jnp.abs(n)), "ratio": 0.25 * ratio}
        seen = {k: jnp.concatenate([state[k], now[k]], axis=1) for k in now}
        zero = (jnp.round(n) == 0).astype(n.dtype)
        inputs = [zero, *now.values(), *(v[:, :-1] for v in seen.values()), now["size"][:, :, ::-1]]
        kind = jnp.stack(jnp.broadcast_arrays(is_short[..., None], jnp.arange(2.0)), axis=-1)
        rows, steps = B * T * 2, D // self.J
        u = [v.reshape(rows, steps, self.J) for v in inputs]
        u = jnp.concatenate([*u, jnp.broadcast_to(kind.reshape(rows, 1, 2), (rows, steps, 2))], axis=-1)
        u = jnp.pad(u, ((0, 0), (0, self.ahead), (0, 0)))
        out = run_all(self.lines, start_all(self.lines, rows), u)[1][:, self.ahead :]
        gain, level = (v.reshape(n.shape) for v in jnp.split(out, 2, axis=-1))
        amplitude = jnp.minimum(3**0.5 * jnp.exp2(ratio), MAX_NOISE)  # uniform noise with the energy of the band
        fill = zero * amplitude * jax.nn.sigmoid(level + NOISE_BIAS) * noise
        return {k: v[:, -1:] for k, v in now.items()}, n * (1 + MAX_GAIN_CHANGE * jnp.tanh(gain)) + fill
