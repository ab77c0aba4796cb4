"""Complexity of the codec: multiply-accumulates per second of audio, from the shapes of the layers.

Place in the chain: none. The benchmark prints the results, and a test limits them. The count includes the networks, the
entropy model and the filters over samples. It excludes `analysis`, which runs once per packet (about 1 MMAC/s), and all
operations that do not multiply by a weight: activations, norms, table look-ups.
"""

import math
from collections.abc import Callable

import jax
from flax import nnx

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.music.model import Model as MusicModel
from lpcnet_cq.registry import record_of
from lpcnet_cq.speech import formant_tables
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import TAPS
from lpcnet_cq.speech.model import Model


def macs_per_second(config: CodecConfig, floats: dict | None = None) -> dict[str, float]:
    """Return the multiply-accumulates per second of audio of one pass through each part of a codec.

    Parameters
    ----------
    config : CodecConfig
        Configuration of any codec that has a `complexity`.
    floats : dict, optional
        Nested parameters of a weights file, whose layers may have fewer channels than the configuration says
        (`pruning.channels`).

    Returns
    -------
    dict
        `encoder`, `decoder` and `entropy`; for music they count two channels. The entropy model runs on both sides: the
        complexity of encoding is encoder + entropy, that of decoding is decoder + entropy.

    Examples
    --------
    >>> {part: round(macs / 1e6) for part, macs in macs_per_second(SpeechConfig()).items()}
    {'encoder': 134, 'decoder': 131, 'entropy': 18}
    """
    return record_of(config).complexity(config, floats)


def speech_macs_per_second(config: SpeechConfig, floats: dict | None = None) -> dict[str, float]:
    """Return the complexity of the speech codec, as `macs_per_second` does."""
    spec = config.spec
    model = _shapes(Model, config, floats)
    packets = spec.sample_rate_hz / spec.hop
    coarse, fine = spec.sample_rate_hz / spec.subframe, spec.sample_rate_hz / config.step
    lpc_filter = (config.order + 1) * spec.sample_rate_hz  # A(z) with the pre-emphasis, or its inverse
    encoder, decoder, entropy = model.encoder, model.decoder, model.entropy
    shape = 4 * (config.order + 1) * config.n_latents  # real and imaginary parts of A(z) and A(z/gamma)
    envelope = packets * (_weights(model.lsf) + _weights(model.gain) + _weights(model.allocation))
    envelope += coarse * (shape + _weights(model.lapped) // 2)  # either the transform or its inverse
    return {
        "encoder": fine * _weights(encoder.fine)
        + coarse * (_weights(encoder.down) + _weights(encoder.condition) + _weights(encoder.coarse))
        + envelope
        + lpc_filter,
        "decoder": coarse * (_weights(decoder.coarse) + _weights(decoder.up))
        + fine * (_weights(decoder.noise) + _weights(decoder.fine))
        + coarse * _long_term_postfilter(model.postfilter)
        + (_concealment(model, packets, coarse) + coarse * _formant_postfilter(config) if config.concealment else 0)
        + envelope
        + lpc_filter,
        "entropy": packets * (_weights(entropy.side) - _unused(entropy.side.triangular))
        + packets * (_weights(entropy.latent) - _unused(entropy.latent.triangular) - entropy.latent.step.size)
        + (coarse - packets) * _per_subframe(entropy.latent),
    }


def _concealment(model: Model, packets: float, coarse: float) -> float:
    """Return the multiply-accumulates per second of concealment and of noise in the place of zero latents."""
    of = model.concealment
    side, latents = of.w1.size + of.w2.size, of.v1.size + of.v2.size
    return packets * side + coarse * (latents + _weights(model.lapped) // 2)  # the transform of the repeated excitation


def music_macs_per_second(c: MusicConfig, floats: dict | None = None) -> dict[str, float]:
    """Return the complexity of the music codec, as `macs_per_second` does; transforms count as matrix products."""
    model = _shapes(MusicModel, c, floats)
    packets = c.spec.sample_rate_hz / c.spec.hop
    transforms = c.channels * c.n_latents * (c.spec.hop + c.spec.hop / c.short_blocks)
    lines, side, latent = c.channels * c.n_latents, model.entropy.side, model.entropy.latent
    per_line = latent.w1.size + latent.w2.size + latent.below.size + latent.w3.size
    return {
        "encoder": packets * transforms,
        "decoder": packets * (transforms + lines / c.short_blocks * _weights(model.decoder.lines)),
        "entropy": packets
        * (_weights(side) - _unused(side.triangular) + model.allocation.energy_weights.size // 2 + lines * per_line),
    }


def _shapes(model: Callable, config: CodecConfig, floats: dict | None):
    """Return a model whose parameters have the shapes of the given weights, else those of the configuration."""
    shapes = nnx.eval_shape(lambda: model(config, rngs=nnx.Rngs(0)))
    if not floats:
        return shapes
    graph, params = nnx.split(shapes, nnx.Param)
    nnx.replace_by_pure_dict(params, floats)
    return nnx.merge(graph, params)


def _weights(module) -> int:
    """Return the number of weights in matrices and kernels; each is used once per output vector."""
    return sum(p.size for p in jax.tree.leaves(nnx.state(module, nnx.Param)) if len(p.shape) > 1)


def _long_term_postfilter(block) -> int:
    """Return the multiplications of the long-term postfilter per subframe.

    Six real FFTs of n log2 n each, two products of spectra, taps and gains.
    """
    n = (block.past + 1) * block.L
    return round(6 * n * math.log2(n)) + 2 * 4 * (n // 2 + 1) + TAPS * block.n_lags + _weights(block)


def _formant_postfilter(c: SpeechConfig) -> int:
    """Return the multiplications of the formant postfilter per subframe.

    Filter, three real FFTs, two bandwidth expansions, division by the pre-emphasis.
    """
    n = formant_tables.DFT
    return formant_tables.TAPS * c.spec.subframe + round(3 * n * math.log2(n)) + (c.order + 4) * (c.order + 1)


def _per_subframe(latent) -> int:
    """Return the number of weights of the latent model that are used in every subframe."""
    parts = latent.wy, latent.w2, latent.w3, latent.triangular.mean, latent.triangular.scale
    return sum(p.size for p in parts) - _unused(latent.triangular)


def _unused(triangular) -> int:
    """Return the number of weights on and below the diagonals, which are never used."""
    K = triangular.mean.shape[0]
    return K * (K + 1)
