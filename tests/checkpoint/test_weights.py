"""Weights and checkpoints: what is saved comes back, and nothing else is taken for it."""

import hashlib
import json

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import save_file

from lpcnet_cq.checkpoint.training_files import load_checkpoint, save_checkpoint, save_weights
from lpcnet_cq.checkpoint.weights import find_weights, flatten, load_weights, read_tensors, unflatten, write_tensors
from lpcnet_cq.speech.entropy import EntropyModel
from lpcnet_cq.speech.model import Model
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec


@pytest.fixture(scope="module")
def params():
    """Return the tiny model's parameters, each value another one."""
    state = nnx.split(nnx.eval_shape(lambda: Model(CONFIG, rngs=nnx.Rngs(0))), nnx.Param)[1]
    random = np.random.default_rng(1)
    values = nnx.to_pure_dict(state)
    drawn = unflatten({k: random.random(v.shape, np.float32) for k, v in shapes(values)})
    nnx.replace_by_pure_dict(state, drawn)
    return state


def shapes(tree, prefix=""):
    for key, value in tree.items():
        yield from shapes(value, f"{prefix}{key}/") if isinstance(value, dict) else [(f"{prefix}{key}", value)]


def test_names_are_joined_and_parted():
    tree = {"encoder": {"fine": {0: {"kernel": np.ones(2)}, 10: {"kernel": np.zeros(1)}}}, "log_scale": np.ones(3)}
    flat = flatten(tree)
    assert list(flat) == ["encoder/fine/0/kernel", "encoder/fine/10/kernel", "log_scale"]
    back = unflatten(flat)
    assert back.keys() == tree.keys() and list(back["encoder"]["fine"]) == [0, 10]


def test_weights_come_back(params, speech_integers, tmp_path):
    path, integers = tmp_path / "new" / "a.safetensors", speech_integers
    save_weights(path, params, integers, CONFIG, {"bitrate_bps": 9000.0})
    back = load_weights(path)
    assert back.config == CONFIG and back.notes == {"bitrate_bps": 9000.0}
    assert back.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    expected = flatten(nnx.to_pure_dict(params))
    found = flatten(back.floats)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
    for name, value in integers.items():
        np.testing.assert_array_equal(back.integers[name], value)
        assert back.integers[name].dtype == value.dtype
    assert [p.name for p in path.parent.iterdir()] == ["a.safetensors"], "nothing half-written is left"


def test_files_of_earlier_releases_are_read_in_present_terms(params, tmp_path):
    """They name no kind of codec, call the postfilter a comb, and the rates otherwise."""
    path, notes = tmp_path / "a", {"steps": [0, 2], "usual_bps": [2, 1], "reach_bps": [1, 2]}
    save_weights(path, params, {}, CONFIG, notes)
    tensors, metadata = read_tensors(path)
    assert json.loads(metadata.pop("kind")) == "speech"
    write_tensors(path, {k.replace("postfilter/", "comb/"): v for k, v in tensors.items()}, metadata)
    back = load_weights(path)
    assert back.config == CONFIG
    assert back.notes == {"steps": [0, 2], "mean_rates_bps": [2, 1], "supported_bps": [1, 2]}
    assert flatten(back.floats).keys() == flatten(nnx.to_pure_dict(params)).keys()


def test_released_files_of_music_and_speech_are_told_apart():
    assert [load_weights(find_weights(name)).config.kind for name in ("cq", "cq-sparse", "audio")] == [
        "speech",
        "speech",
        "music",
    ]


def test_same_values_make_the_same_file(params, tmp_path):
    """Its hash names the model in every stream."""
    for name in "ab":
        save_weights(tmp_path / name, params, {}, CONFIG, {"bitrate_bps": 9000.0})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("content", [None, b"", b"RIFF....WAVE", b"\xff" * 100])
def test_foreign_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "voice.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"voice\.wav"):
        load_weights(path)


def test_tensors_of_another_project_are_refused(tmp_path):
    for i, metadata in enumerate(
        [None, {"config": "{}"}, {"config": json.dumps({"spec": {}, "depth": 3}), "notes": "{}"}]
    ):
        path = tmp_path / f"{i}.safetensors"
        save_file({"w": np.ones(3)}, path, metadata)
        with pytest.raises(ValueError, match=rf"{i}\.safetensors"):
            load_weights(path)


def test_checkpoint_comes_back_in_its_structure(tmp_path):
    state = ({"a": jnp.arange(3), "b": {"c": jnp.ones((2, 2))}}, [jnp.float32(0.5), jnp.asarray(7)] * 60)
    save_checkpoint(tmp_path / "c", state, {"step": 12, "minutes": 0.5})
    like = ({"a": jnp.zeros(3, int), "b": {"c": jnp.zeros((2, 2))}}, [jnp.float32(0), jnp.asarray(0)] * 60)
    back, notes = load_checkpoint(tmp_path / "c", like)
    assert notes == {"step": 12, "minutes": 0.5}
    np.testing.assert_array_equal(back[0]["a"], state[0]["a"])
    np.testing.assert_array_equal(back[0]["b"]["c"], state[0]["b"]["c"])
    assert [float(v) for v in back[1]] == [0.5, 7] * 60
    assert [v.dtype for v in back[1]] == [v.dtype for v in state[1]]


def test_entropy_model_is_part_of_the_weights(params):
    """What `freeze` reads lies under the names it reads."""
    entropy = nnx.to_pure_dict(nnx.split(nnx.eval_shape(lambda: EntropyModel(CONFIG, rngs=nnx.Rngs(0))), nnx.Param)[1])
    assert flatten(entropy).keys() == {
        k.removeprefix("entropy/") for k in flatten(nnx.to_pure_dict(params)) if k.startswith("entropy/")
    }
