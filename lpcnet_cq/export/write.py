"""The files of an export: the coding steps of weights for speech as ONNX graphs.

Place in the chain: beside `light.speech`, whose parameters the graphs hold. docs/onnx.md describes the files.
"""

from pathlib import Path

from onnx import helper

from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.export.decoder import decoder_models
from lpcnet_cq.export.encoder import encoder_models
from lpcnet_cq.light.speech.model import Model
from lpcnet_cq.speech.config import SpeechConfig


def onnx_files(weights: str | Path) -> dict[str, bytes]:
    """Return the contents of the files by their names.

    Parameters
    ----------
    weights : str or path
        Name or file of weights for speech.

    Raises
    ------
    ValueError
        If there are no such weights, or they are for another codec.
    """
    path = find_weights(weights)
    floats, _, config, _, sha256 = load_weights(path)
    if not isinstance(config, SpeechConfig):
        raise ValueError(f"`{path.stem}` are weights for {config.kind}, ONNX files can be made from weights for speech")
    model = Model(floats, config)
    models = encoder_models(model) | decoder_models(model)
    for graph in models.values():
        helper.set_model_props(graph, {"weights": path.stem, "model_hash": sha256[:16]})
    return {f"{name}.onnx": graph.SerializeToString() for name, graph in models.items()}
