"""Settings of compiled code: where it is kept, what it keeps from the caller's settings, what forks are told."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from lpcnet_cq.nn import runtime
from lpcnet_cq.nn.limits import MAX_OUTPUT
from lpcnet_cq.nn.runtime import compiled, is_valid_output, own_settings, use_cache, with_values


def test_compiled_code_is_kept_where_the_user_says(monkeypatch, tmp_path):
    settings = {}
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    monkeypatch.setenv("LPCNET_CQ_CACHE", str(tmp_path))
    before = jax.config.jax_compilation_cache_dir
    use_cache()
    expected = {} if before else {"jax_compilation_cache_dir": str(tmp_path / "jax")}
    assert {k: v for k, v in settings.items() if k.endswith("dir")} == expected


@pytest.mark.parametrize("name", ["file/below", "long" * 100])
def test_code_is_not_kept_where_nothing_can_be_written(monkeypatch, tmp_path, name):
    (tmp_path / "file").write_text("")
    settings = {}
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    monkeypatch.setattr(type(jax.config), "jax_compilation_cache_dir", None, raising=False)
    monkeypatch.setattr(runtime.os, "environ", {"LPCNET_CQ_CACHE": str(tmp_path / name)})
    use_cache()
    assert settings == {}


@pytest.mark.parametrize("callers", [True, False])
def test_types_do_not_depend_on_the_callers_settings(callers):
    with jax.enable_x64(callers):
        for wide in (True, False):
            with own_settings(wide):
                assert jnp.arange(3).dtype == (jnp.int64 if wide else jnp.int32)
        assert jnp.arange(3).dtype == (jnp.int64 if callers else jnp.int32)


def test_a_forked_process_is_told_to_spawn(monkeypatch):
    monkeypatch.setattr(runtime, "_process", os.getpid() + 1)
    with pytest.raises(RuntimeError, match="`spawn`"), own_settings():
        pass


def test_weights_of_the_same_graph_share_compiled_code():
    """Each gives its own result; another graph has code of its own."""
    shapes = []

    def apply(layer, x):
        shapes.append(x.shape)  # when it is traced
        return layer(x)

    def layer(n, rngs):
        return nnx.Linear(3, n, rngs=rngs)

    x = np.ones((1, 3), np.float32)
    for n, value, traced in ((2, 1, 1), (2, 5, 1), (4, 1, 2), (2, 7, 2)):
        floats = {"kernel": np.full((3, n), value, np.float32), "bias": np.zeros(n, np.float32)}
        graph, params = with_values(layer, floats, n)
        np.testing.assert_array_equal(compiled(apply, graph)(params, x), np.full((1, n), 3 * value))
        assert len(shapes) == traced


@pytest.mark.parametrize("n", [1, 320, 6720])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, MAX_OUTPUT, -2 * MAX_OUTPUT])
def test_one_bad_sample_or_many_make_an_output_invalid(value, n):
    """Compiled, as in decoders: XLA's maximum skips NaN there."""
    y = 0.1 * np.random.default_rng(1).standard_normal((1, n)).astype(np.float32)
    valid = jax.jit(lambda y: is_valid_output(jnp.sin(y) * y))  # fused with what made y
    assert is_valid_output(jnp.asarray(y)) and valid(y)
    for first in {0, n // 2, n - 1}:
        bad = y.copy()
        bad[:, first:] = value
        assert not jax.jit(is_valid_output)(bad), first
        assert not is_valid_output(jnp.asarray(bad)), first
        assert np.isfinite(value) or not valid(bad), first
