"""Chunks of packets behind plain arrays: shapes, types, short runs, and where compiled code is kept."""

import jax
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.bitstream.integer_model import IntegerModel
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.nn.runtime import use_cache
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.speech.model import GAIN_UNIT, Model
from lpcnet_cq.speech.runtime import Network
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
M, S, D, HOP = CONFIG.order, CONFIG.spec.n_subframes, CONFIG.n_latents, CONFIG.spec.hop
T = 7


pytestmark = pytest.mark.usefixtures("quick_compilation")  # far less is run than compiled


@pytest.fixture(scope="module")
def network():
    params = jax.jit(lambda: nnx.split(Model(CONFIG, rngs=nnx.Rngs(0)), nnx.Param)[1])()
    floats = jax.tree.map(np.asarray, nnx.to_pure_dict(params))
    return Network(floats, IntegerModel(freeze(floats["entropy"], CONFIG), CONFIG), CONFIG)


@pytest.fixture(scope="module")
def integers():
    random = np.random.default_rng(1)
    return Integers(
        random.integers(0, CONFIG.n_steps, T), random.integers(-2, 3, (T, M + S)), random.integers(-2, 3, (T, S, D))
    )


def test_encoder_gives_integers_and_real_latents(network):
    random = np.random.default_rng(2)
    x = 0.1 * random.standard_normal(T * HOP + CONFIG.spec.look_ahead)
    lsf = np.sort(random.uniform(0.1, 3, (T, M))).astype(np.float32)
    _, side, z = network.encode(network.start_encoder(), x, lsf)
    assert side.shape == (T, M + S) and side.dtype == np.int64
    assert z.shape == (T, S, D) and np.abs(z - np.rint(z)).max() > 0.01


def test_short_run_is_the_beginning_of_a_full_one(network, integers):
    _, whole = network.decode(network.start_decoder(), integers, T)
    _, part = network.decode(network.start_decoder(), next(integers.runs(3)), T)
    assert whole.shape == (T * HOP,) and part.shape == (3 * HOP,)
    np.testing.assert_allclose(part, whole[: 3 * HOP], atol=1e-6)


def test_absurd_integers_give_finite_sound_and_a_decoder_that_goes_on(network, integers):
    absurd = Integers(integers.step, 16000 * np.sign(integers.side), 16000 * np.sign(integers.latents))
    state, y = network.decode(network.start_decoder(), absurd, T)
    assert np.isfinite(y).all()
    state, y = network.decode(state, integers, T)
    assert np.isfinite(y).all() and np.abs(y).max() > 1e-4
    assert int(state["position"]) == 2 * T * HOP // CONFIG.step


def test_gain_coordinates_change_the_level_of_every_subframe(network):
    change = network.gain_coordinates(-0.7)
    basis = np.asarray(network.params["gain"]["basis"][...]) * GAIN_UNIT
    np.testing.assert_allclose(basis @ change, np.full(S, -0.7), atol=1e-5)


def test_compiled_code_is_kept_where_the_user_says(monkeypatch, tmp_path):
    settings = {}
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    monkeypatch.setenv("LPCNET_CQ_CACHE", str(tmp_path))
    before = jax.config.jax_compilation_cache_dir
    use_cache()
    expected = {} if before else {"jax_compilation_cache_dir": str(tmp_path / "jax")}
    assert {k: v for k, v in settings.items() if k.endswith("dir")} == expected
