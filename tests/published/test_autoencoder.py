"""The three autoencoders: parameter counts of the papers, shapes, and independence of frames."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.nn.layers import count_parameters
from lpcnet_cq.published.autoencoder import Autoencoder
from lpcnet_cq.published.complexity import shapes_of
from lpcnet_cq.published.config import PRESETS

KINDS = ("knet", "bottleneck", "gated")


def parameters(name, module=0):
    a = shapes_of(PRESETS[name].system).modules[module]
    return tuple(count_parameters(part) for part in (a.encoder, a.decoder, a.quantiser))


def test_knet_has_the_parameters_of_the_paper():
    """The paper counts 32 centroids and alpha with the encoder."""
    encoder, decoder, quantiser = parameters("knet")
    assert encoder + quantiser == 742_448
    assert decoder == 816_399
    assert quantiser == 33


@pytest.mark.parametrize("name, module", [("cmrl", 0), ("cmrl", 1), ("lpc-cmrl", 0), ("cq-2020", 0)])
def test_every_cmrl_module_has_the_parameters_of_the_paper(name, module):
    encoder, decoder, _ = parameters(name, module)
    assert (encoder, decoder) == (250_961, 214_411)
    assert encoder + decoder == 465_372


def test_nwc_has_the_parameters_of_the_paper():
    assert parameters("nwc-2021")[:2] == (229_841, 120_311)


@pytest.mark.parametrize("kind", KINDS)
def test_code_has_half_the_samples_and_frames_are_independent(tiny, awake, kind):
    model = awake(Autoencoder(tiny(kind), rngs=nnx.Rngs(0)))
    encode, decode = (jax.jit(lambda v, f=f: f(v)) for f in (model.encode, model.decode))
    frames = np.random.default_rng(0).standard_normal((2, 3, 128)).astype(np.float32)
    code = encode(frames)
    assert code.shape == (2, 3, 64) and decode(code).shape == (2, 3, 128)
    changed = frames.copy()
    changed[0, 1] += 1
    difference = np.abs(np.asarray(encode(changed) - code)).max(axis=-1)
    assert (difference > 1e-4).tolist() == [[False, True, False], [False, False, False]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("frequency_hz, most_db", [(100, -30), (1000, -30), (2000, -20), (3000, -10)])
def test_new_modules_send_the_lower_half_of_the_band(tiny, kind, frequency_hz, most_db):
    model = Autoencoder(tiny(kind), rngs=nnx.Rngs(1))
    x = 0.02 * np.sin(2 * np.pi * frequency_hz / 16000 * np.arange(128), dtype=np.float32)
    code = model.encode(x[None])
    error = (model.decode(code)[0] - x)[16:-16]
    assert 10 * np.log10(np.sum(error**2) / np.sum(x[16:-16] ** 2)) < most_db
    assert 0.01 < float(jnp.abs(code - code.mean()).max()) < 0.1


@pytest.mark.parametrize("kind", ["bottleneck", "gated"])
def test_codes_are_bounded_by_tanh(tiny, kind):
    model = Autoencoder(tiny(kind), rngs=nnx.Rngs(0))
    assert float(jnp.abs(model.encode(100 * jnp.ones((1, 128)))).max()) <= 1
