"""Weights of published systems: what is saved comes back, and nothing else is taken for it."""

import hashlib

import jax
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from lpcnet_cq.checkpoint.weights import flatten
from lpcnet_cq.published.model import Model
from lpcnet_cq.published.packet import frequency_tables
from lpcnet_cq.published.weights import load_system, save_system


def test_round_trip(tiny, tmp_path):
    c = tiny(n_modules=2, lpc="trained")
    params = nnx.state(Model(c, rngs=nnx.Rngs(0)), nnx.Param)
    tables = frequency_tables(np.zeros((2, c.n_lsf + 2 * c.n_code), int), c)
    path = tmp_path / "w.safetensors"
    save_system(path, params, tables, c, {"bitrate_bps": 9000.0})
    found = load_system(path)
    assert found.system == c and found.notes == {"bitrate_bps": 9000.0}
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    want = flatten(jax.tree.map(np.asarray, nnx.to_pure_dict(params)))
    have = flatten(found.floats)
    assert set(have) == set(want) and set(found.tables) == {"code", "lsf"}
    for name, value in want.items():
        np.testing.assert_array_equal(have[name], value)
        assert np.shape(have[name]) == np.shape(value)
    np.testing.assert_array_equal(found.tables["lsf"], tables["lsf"])


def test_other_files_are_refused_in_one_sentence(tmp_path):
    save_file({"a": np.zeros(3)}, tmp_path / "other.safetensors")
    for name in ("missing.safetensors", "other.safetensors"):
        with pytest.raises(ValueError, match="not a readable weights file of a published system"):
            load_system(tmp_path / name)
