"""Exported graphs, and a way to run one packet by packet."""

from dataclasses import dataclass, field

import numpy as np
import onnxruntime
import pytest

from lpcnet_cq.checkpoint.weights import find_weights, load_weights
from lpcnet_cq.export.write import onnx_files
from lpcnet_cq.light.speech.signal_model import LightSpeechModel
from lpcnet_cq.speech.integer_model import SubframeModel


@dataclass
class Steps:
    """Run the graphs of an export; `state` is what the calls hand on."""

    files: dict
    sessions: dict = field(default_factory=dict)
    state: dict = field(default_factory=dict)

    def __call__(self, name, **inputs):
        """Run a graph and return its outputs that are no states."""
        if name not in self.sessions:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            content = self.files[f"{name}.onnx"]
            self.sessions[name] = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        session = self.sessions[name]
        given = self.state | inputs
        names = [value.name for value in session.get_outputs()]
        outputs = dict(
            zip(names, session.run(None, {v.name: given[v.name] for v in session.get_inputs()}), strict=True)
        )
        self.state = self.state | {
            "state." + k.removeprefix("next."): v for k, v in outputs.items() if k.startswith("next.")
        }
        return {k: v for k, v in outputs.items() if not k.startswith("next.")}


@pytest.fixture(scope="session")
def light():
    """Return a function: name of weights to their signal model in NumPy, and configuration."""

    def load(weights):
        floats, integers, config, _, _ = load_weights(find_weights(weights))
        return LightSpeechModel(floats, SubframeModel(integers, config), config), config

    return load


@pytest.fixture(scope="session")
def steps():
    """Return a function: name of weights to new `Steps`."""
    files = {name: onnx_files(name) for name in ("cq", "cq3")}
    return lambda weights: Steps(files[weights])


@pytest.fixture(scope="session")
def speech():
    """Return a noisy tone with a changing level and pitch, silence, a click and full-scale noise, 16 kHz."""
    random = np.random.default_rng(3)
    n = np.arange(40000)
    x = 0.4 * np.sin(n / 25 + 3 * np.sin(n / 2000)) ** 5 * np.abs(np.sin(n / 5000)) + 0.01 * random.standard_normal(
        n.size
    )
    x[15000:20000], x[17000], x[36000:] = 0.0, 0.9, random.uniform(-1, 1, 4000)
    return x.astype(np.float32)
