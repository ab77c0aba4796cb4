"""The files of an export."""

import onnx
import pytest

from lpcnet_cq.export.write import onnx_files

NAMES = {"encoder_start.onnx", "encoder.onnx", "decoder_start.onnx", "decoder.onnx", "comfort_noise.onnx", "drift.onnx"}


def names(values):
    return {value.name.split(".", 1)[-1] for value in values if "." in value.name}


def test_files_hold_checked_graphs_that_hand_on_their_states():
    files = {name: onnx.load_from_string(content) for name, content in onnx_files("cq3").items()}
    assert set(files) == NAMES
    for model in files.values():
        assert {p.key: p.value for p in model.metadata_props}["weights"] == "cq3"
        assert {node.domain for node in model.graph.node} == {""}
    for kind in ("encoder", "decoder"):
        start, step = files[f"{kind}_start.onnx"].graph, files[f"{kind}.onnx"].graph
        assert names(start.output) == names(step.input) == names(step.output)
    for name in ("comfort_noise", "drift"):
        part = files[f"{name}.onnx"].graph
        assert names(part.output) <= names(part.input) <= names(files["decoder.onnx"].graph.input)


def test_music_is_refused():
    with pytest.raises(
        ValueError, match="`audio` are weights for music, ONNX files can be made from weights for speech"
    ):
        onnx_files("audio")
