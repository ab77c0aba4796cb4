"""Compact weights: exact but for half precision, small, and a codec like any other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lpcnet_cq.bitstream.frequency_tables import frequency_tables
from lpcnet_cq.checkpoint.half_precision import pack_weights, smallest_dtype, unpack_weights
from lpcnet_cq.checkpoint.training_files import save_weights
from lpcnet_cq.checkpoint.weights import flatten, load_weights
from lpcnet_cq.codec import Codec
from lpcnet_cq.speech.freeze import freeze
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
NOTES = {"steps": [0, 17], "usual_bps": list(range(34000, 0, -2000)), "reach_bps": [9000, 24000]}


@given(arrays(np.int64, (3, 2), elements=st.integers(-(2**40), 2**40) | st.integers(-300, 70000)))
def test_integers_fit_their_type_and_no_smaller_one(values):
    found = smallest_dtype(values)
    np.testing.assert_array_equal(found, values)
    narrower = [np.dtype(f"{kind}{found.dtype.itemsize // 2}") for kind in "iu" if found.dtype.itemsize in (2, 4)]
    assert all(np.any(values.astype(of) != values) for of in narrower)


def test_floats_beyond_half_precision_are_refused():
    with pytest.raises(ValueError, match="70000 is too large for half precision"):
        smallest_dtype(np.full(1000, -7e4, np.float32))


def test_tables_come_back_in_a_third_of_the_bytes():
    tensors = {"integer/tables": frequency_tables()}
    stored = pack_weights(tensors)
    assert sum(t.nbytes for t in stored.values()) < tensors["integer/tables"].nbytes / 3
    np.testing.assert_array_equal(unpack_weights(stored)["integer/tables"], tensors["integer/tables"])


@pytest.fixture(scope="module")
def files(tmp_path_factory, speech_model):
    """Return a model's weights files, plain and small; nine of ten of its weights are zero."""
    params = jax.tree.map(lambda p: p, speech_model[1])  # another state of the same arrays
    random = np.random.default_rng(0)

    def thin(p):
        return jnp.where(jnp.asarray(random.random(p.shape) < 0.1), p, 0.0) if p.ndim > 1 and p.size > 500 else p

    values = nnx.to_pure_dict(params)
    networks = {k: jax.tree.map(thin, values[k]) for k in ("encoder", "decoder", "entropy")}
    nnx.replace_by_pure_dict(params, values | networks)
    folder = tmp_path_factory.mktemp("compact")
    integers = freeze(jax.tree.map(np.asarray, nnx.to_pure_dict(params))["entropy"], CONFIG)
    for name, small in (("plain", False), ("small", True)):
        save_weights(folder / f"{name}.safetensors", params, integers, CONFIG, NOTES, small)
    return folder / "plain.safetensors", folder / "small.safetensors"


def test_all_but_precision_comes_back(files):
    plain, small = map(load_weights, files)
    for name, value in plain.integers.items():
        np.testing.assert_array_equal(small.integers[name], value, err_msg=name)
    found = flatten(small.floats)
    expected = flatten(plain.floats)
    assert found.keys() == expected.keys() and small.notes == plain.notes
    assert {value.dtype for value in found.values()} == {np.dtype(np.float32)}
    stored = [name for name in expected if not name.startswith("entropy")]  # the entropy model is stored as integers
    assert {name.split("/")[0] for name in stored} >= {"encoder", "decoder", "lsf"}
    for name in stored:
        value = expected[name].astype(np.float16) if expected[name].size >= 1000 else expected[name]
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_the_small_file_is_a_quarter_and_codes_the_same_bits(files, vowel):
    """Half precision moves a latent across a decision now and then; the error stays."""
    plain, small = map(Codec, files)
    assert files[1].stat().st_size < files[0].stat().st_size / 4
    assert small.n_parameters == plain.n_parameters
    x = vowel(seconds=0.5)
    data = [codec.encode(x, 16000, 16000) for codec in (plain, small)]
    assert len(data[1]) == pytest.approx(len(data[0]), rel=0.02)
    errors = [np.mean((codec.decode(d)[0] - x) ** 2) for codec, d in zip((plain, small), data, strict=True)]
    assert errors[1] == pytest.approx(errors[0], rel=0.1)
