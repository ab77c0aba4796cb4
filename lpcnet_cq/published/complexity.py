"""Complexity of a published system: multiply-accumulates per second of audio, from the shapes of the layers.

The count includes the networks and the filters over samples, but not activations, assignments and LPC analysis.
"""

from flax import nnx

from lpcnet_cq.published.blocks import chain_macs
from lpcnet_cq.published.config import SystemConfig
from lpcnet_cq.published.model import Model


def shapes_of(c: SystemConfig) -> Model:
    """Return a model that has shapes but no values."""
    return nnx.eval_shape(lambda: Model(c, rngs=nnx.Rngs(0)))


def mmac_per_s(c: SystemConfig) -> dict[str, float]:
    """Return the multiply-accumulates of `encoder` and `decoder`, in millions per second of audio.

    An encoder also runs the decoders of all modules except the last, to compute the input of the next module.
    """
    modules = shapes_of(c).modules
    lpc_filter = (c.order + 1) * c.spec.sample_rate_hz if c.n_lsf else 0
    encoders = [chain_macs(m.encoder, c.spec.window)[0] for m in modules]
    decoders = [chain_macs(m.decoder, c.n_code)[0] for m in modules]
    per_frame = {"encoder": sum(encoders) + sum(decoders[:-1]), "decoder": sum(decoders)}
    return {part: (macs * c.frames_per_second + lpc_filter) / 1e6 for part, macs in per_frame.items()}
