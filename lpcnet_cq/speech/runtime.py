"""The model's JAX functions behind plain arrays: compiled per chunk shape, kept in a cache on disk.

Place in the chain: between `codec` or `stream`, which hold bytes and NumPy arrays, and `model`. A chunk is any
number of packets of one signal; the state goes from chunk to chunk.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.bitstream.integer_model import IntegerModel
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.nn.runtime import fill, is_valid_output, with_values
from lpcnet_cq.speech import model as cq
from lpcnet_cq.speech.analysis import analyse_lsf
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.highpass import highpass, start_highpass


class Network:
    """Run encoder and decoder networks on chunks of one signal.

    Parameters
    ----------
    floats : dict
        Nested parameters from a weights file.
    entropy : IntegerModel
        The integers of the same file.
    config : SpeechConfig
    """

    def __init__(self, floats: dict, entropy: IntegerModel, config: SpeechConfig):
        self.config, self.floats = config, floats
        self.graph, self.params = with_values(cq.Model, floats, config)
        self._encode = jax.jit(partial(_encode, self.graph))
        self._decode = jax.jit(partial(_decode, self.graph))

    def start_encoder(self) -> dict:
        """Return the encoder's state before the first packet."""
        return jax.jit(lambda p: cq.start_encoder(nnx.merge(self.graph, p), 1))(self.params)

    def start_decoder(self) -> dict:
        """Return the decoder's state before the first packet."""
        return jax.jit(lambda p: cq.start_decoder(nnx.merge(self.graph, p), 1))(self.params)

    def analyse(self, x: np.ndarray, T: int, chunk: int, progress: Callable[[float], None]):
        """Return side integers (T, K) and latents before rounding (T, S, D) of a whole signal.

        Parameters
        ----------
        x : array (n,)
        T : int
            Packets to make of it.
        chunk : int
            Packets per compiled call.
        progress : callable
            Called with the fraction of encoding that is done.
        """
        spec = self.config.spec
        padded_T = -(-T // chunk) * chunk
        _, x = highpass(start_highpass(), x, spec.sample_rate_hz)
        x = np.pad(x, (0, padded_T * spec.hop + spec.look_ahead - len(x)))
        lsf = analyse_lsf(x[: -spec.look_ahead], spec, self.config.order)
        state, sides, zs = self.start_encoder(), [], []
        for i in range(0, padded_T, chunk):
            a, b = i * spec.hop, (i + chunk) * spec.hop
            state, side, z = self.encode(state, x[a : b + spec.look_ahead], lsf[i : i + chunk])
            sides.append(side)
            zs.append(z)
            progress(0.8 * (i + chunk) / padded_T)
        return np.concatenate(sides)[:T], np.concatenate(zs)[:T]

    def encode(self, state: dict, x: np.ndarray, lsf: np.ndarray) -> tuple[dict, np.ndarray, np.ndarray]:
        """Encode T packets.

        Parameters
        ----------
        state : dict
        x : array (T*hop + look_ahead,)
            Speech of the packets and the look-ahead behind them.
        lsf : array (T, M)

        Returns
        -------
        state : dict
        side : int64 array (T, K)
        z : array (T, S, D)
            Latents before rounding.
        """
        state, side, z = self._encode(self.params, state, jnp.asarray(x, jnp.float32)[None], jnp.asarray(lsf)[None])
        T = len(lsf)
        return state, np.asarray(side[0]).astype(np.int64), np.asarray(z[0]).reshape(T, -1, z.shape[-1])

    def decode(self, state: dict, n: Integers, T: int) -> tuple[dict, np.ndarray]:
        """Decode up to T packets in one call compiled for T; shorter runs are filled up and cut.

        Returns
        -------
        state : dict
            Of use only if the run was full.
        y : float32 array (len(n.step)*hop,)
        """
        side, latents, step = (fill(a, T) for a in (n.side, n.latents, n.step))
        latents = latents.reshape(1, -1, n.latents.shape[-1])
        M = self.config.order
        side = side.astype(np.float32)
        state, y = self._decode(
            self.params, state, side[..., :M], side[..., M:], latents.astype(np.float32), step.astype(np.int32)
        )
        return state, np.asarray(y[0])[: len(n.step) * self.config.spec.hop]

    def gain_coordinates(self, log_gain: float) -> np.ndarray:
        """Return what to add to a packet's gain integers, (S,), real, to change its level by `log_gain` neper."""
        basis = np.asarray(self.params["gain"]["basis"][...], np.float64) * cq.GAIN_UNIT
        return np.linalg.solve(basis, np.full(len(basis), log_gain))


def _encode(graph, params, state, x, lsf):
    model = nnx.merge(graph, params)
    ahead = model.config.spec.look_ahead
    state, side = cq.encode_side(model, state, x[:, :-ahead], lsf, 1.0)
    state, z = cq.encode_latents(model, state, side, x[:, ahead:])
    return state, jnp.concatenate([side["lsf"], side["gain"]], axis=-1), z


def _decode(graph, params, state, n_lsf, n_gain, n_latents, step):
    """Decode; what is no sound becomes silence and fresh filters."""
    model = nnx.merge(graph, params)
    after, y = cq.decode(model, state, n_lsf, n_gain, n_latents, step)
    fresh = cq.start_decoder(model, y.shape[0]) | {"position": after["position"]}
    return jax.tree.map(partial(jnp.where, is_valid_output(y)), after, fresh), jnp.where(is_valid_output(y), y, 0.0)
