"""Damaged weights are refused when they are loaded, with one sentence; whole ones of every kind are not."""

import json

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.checkpoint.weights import find_weights, read_tensors, write_tensors
from lpcnet_cq.checkpoint.weights_check import MAX_BIAS, MAX_ROWS, MAX_WEIGHT, check_notes, check_tensors
from lpcnet_cq.registry import record_named

NOTES = {"steps": [0, 3], "mean_rates_bps": [9000, 8000.5, 8000.5], "supported_bps": [8000, 9000]}
CONFIG = CodecConfig(n_steps=3)


def put(value, at):
    """Return a function that puts a value into a tensor of the type that the value needs."""

    def change(tensor):
        tensor = np.array(tensor, np.result_type(tensor.dtype, np.asarray(value).dtype))
        tensor[at] = value
        return tensor

    return change


DAMAGED = {
    "not a number": ("encoder/down/bias", put(np.nan, 3), "`encoder/down/bias` has the value nan"),
    "infinite": ("gain/basis", put(np.inf, (0, 0)), "`gain/basis` has the value inf"),
    "too large": ("lsf/mean", put(-1e6, 0), "`lsf/mean` has the value 1e\\+06"),
    "singular": ("lsf/basis", np.zeros_like, "[Ss]ingular"),
    "transposed": ("allocation/w1", np.transpose, r"`allocation/w1` has the shape \(128, 200\), it must be 200 x any"),
    "of another width": ("allocation/b1", lambda t: t[:-1], r"`allocation/b1` has the shape \(127,\), it must be 128"),
    "integers": ("log_scale", lambda t: t.astype(np.int8), "`log_scale` has the type int8"),
    "missing": ("decoder/up/bias", lambda t: None, "`decoder/up/bias` is missing"),
    "floats": ("integer/side_b2", lambda t: t.astype(np.float32), "`integer/side_b2` has the type float32"),
    "a weight too large": ("integer/side_w1", put(MAX_WEIGHT + 1, (0, 0)), "`integer/side_w1` has values"),
    "a bias too small": ("integer/latent_bs", put(-MAX_BIAS - 1, (2, 2)), "`integer/latent_bs` has values"),
    "unsigned": ("integer/side_b1", lambda t: t.astype(np.uint64), "`integer/side_b1` has values"),
    "falling": ("integer/tables", put(9, (5, 3, 40)), "`integer/tables` does not increase strictly from 0 to 65536"),
    "not from zero": ("integer/tables", put(1, (5, 3, 0)), "`integer/tables` does not increase"),
    "not to the end": ("integer/tables", put(65535, (63, 15, -1)), "`integer/tables` does not increase"),
    "of less": ("integer/tables", lambda t: t[:-1], r"`integer/tables` has the shape \(63, 16, 83\)"),
}


@pytest.fixture(scope="module")
def plain():
    return read_tensors(find_weights("cq"))


@pytest.mark.parametrize(("name", "change", "text"), DAMAGED.values(), ids=list(DAMAGED))
def test_damaged_tensors_are_refused(plain, tmp_path, name, change, text):
    tensors, metadata = plain
    changed = {**tensors, name: change(tensors[name])}
    path = tmp_path / "damaged.safetensors"
    write_tensors(path, {k: v for k, v in changed.items() if v is not None}, metadata)
    with pytest.raises(ValueError, match=rf"damaged\.safetensors.*{text}") as caught:
        lpcnet_cq.load(path)
    assert "\n" not in str(caught.value)


def test_tables_of_packed_files_are_checked(tmp_path):
    tensors, metadata = read_tensors(find_weights("cq3"))
    for name in ("integer/flag", "integer/reset_steps"):
        write_tensors(tmp_path / "a", {**tensors, name: tensors[name][::-1]}, metadata)
        with pytest.raises(ValueError, match=f"`{name}` does not increase strictly"):
            lpcnet_cq.load(tmp_path / "a")
    frequencies = {k: v for k, v in tensors.items() if not k.startswith("integer/frequencies")}
    write_tensors(tmp_path / "a", frequencies, metadata)
    with pytest.raises(ValueError, match="`integer/tables` is missing"):
        lpcnet_cq.load(tmp_path / "a")


@pytest.mark.parametrize(
    ("kind", "field", "value", "text"),
    [
        ("config", "hidden", 1e3, "`hidden` is 1000.0, it must be of type int"),
        ("config", "order", True, "`order` is True"),
        ("config", "n_steps", 1 << 40, "`n_steps` is 1099511627776"),
        ("config", "step_ratio", float("nan"), "`step_ratio` is nan"),
        ("config", "coarse_blocks", 4, "`coarse_blocks` is 4, it must be at most 3"),
        ("config", "depth", 4, "depth"),
        ("notes", "steps", [0, 99], r"`steps` is \[0, 99\]"),
        ("notes", "reach_bps", None, "`supported_bps` is None"),
        ("notes", "usual_bps", [1, 2], "`mean_rates_bps` must have"),
    ],
)
def test_impossible_values_are_refused(plain, tmp_path, kind, field, value, text):
    tensors, metadata = plain
    values = json.dumps(json.loads(metadata[kind]) | {field: value})
    write_tensors(tmp_path / "a", tensors, {**metadata, kind: values})
    with pytest.raises(ValueError, match=f"/a` is not a readable weights file: .*{text}"):
        lpcnet_cq.load(tmp_path / "a")


@pytest.mark.parametrize("kind", ["config", "notes"])
def test_what_the_metadata_lack_is_named(plain, tmp_path, kind):
    tensors, metadata = plain
    write_tensors(tmp_path / "a", tensors, {k: v for k, v in metadata.items() if k != kind})
    with pytest.raises(ValueError, match=f"/a` is not a readable weights file: it has no '{kind}'"):
        lpcnet_cq.load(tmp_path / "a")


def test_weights_without_a_frozen_entropy_model_do_not_code(plain, tmp_path):
    tensors, metadata = plain
    write_tensors(tmp_path / "a", {k: v for k, v in tensors.items() if not k.startswith("integer/")}, metadata)
    with pytest.raises(ValueError, match="the integer entropy model is missing"):
        lpcnet_cq.load(tmp_path / "a")


def test_unknown_and_tall_tensors_are_refused():
    with pytest.raises(ValueError, match="`b` is not known"):
        check_tensors({"a": np.ones(1), "b": np.ones(1)}, {"a": (1,)})
    tall = {"integer/w": np.zeros((MAX_ROWS + 1, 1), np.int8)}
    with pytest.raises(ValueError, match=f"{MAX_ROWS + 1} rows"):
        check_tensors(tall, {"integer/w": ("any", 1)})
    with pytest.raises(ValueError, match="must be one value"):
        check_tensors({"a": np.ones(1)}, {"a": ()})


def test_no_sum_of_the_largest_integers_is_beyond_doubles():
    """A matrix of the largest weights times the largest inputs, and three biases."""
    most_input = 31 << 8
    assert MAX_ROWS * MAX_WEIGHT * most_input + 3 * MAX_BIAS < 1 << 53


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [0, 2.5]},
        {"steps": [2, 2]},
        {"steps": [True, 3]},
        {"steps": "03"},
        {"mean_rates_bps": [8000, 9000, 9000]},
        {"mean_rates_bps": [9000, 8000, 0]},
        {"mean_rates_bps": [9000, 8000, float("nan")]},
        {"supported_bps": [9000, 8000]},
        {"supported_bps": [0, 8000]},
        {"supported_bps": {}},
    ],
)
def test_impossible_notes_are_refused(change):
    check_notes(NOTES, CONFIG)
    with pytest.raises(ValueError, match=f"`{next(iter(change))}`"):
        check_notes(NOTES | change, CONFIG)


def test_every_codec_states_its_shapes():
    for kind in ("speech", "music"):
        record = record_named(kind)
        assert record.tensor_shapes is not None and "integer/tables" in record.tensor_shapes(record.config())
