"""LPC analysis in ONNX against `dsp`: line spectral frequencies of signals that are hard to analyse."""

import numpy as np
import onnxruntime
import pytest

from dsp.frames import FrameSpec
from lpcnet_cq.export.analysis import analyse
from lpcnet_cq.export.graph import Graph
from lpcnet_cq.speech.analysis import analyse_windows

M, SPEC = 16, FrameSpec()


@pytest.fixture(scope="module")
def lsf():
    g = Graph("analysis")
    g.output("lsf", analyse(g, g.input("x", [SPEC.window + 1], np.float32), SPEC, M), [M])
    session = onnxruntime.InferenceSession(g.model().SerializeToString(), providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"x": x})[0]


@pytest.mark.parametrize(
    "signal",
    [
        lambda n, random: 0 * n,
        lambda n, random: 0 * n + 1,
        lambda n, random: np.sin(0.02 * n),
        lambda n, random: np.sin(1.5 * n),
        lambda n, random: np.sin(3.1 * n),
        lambda n, random: 0.5 * np.sin(0.4 * n) + 0.5 * np.sin(0.43 * n),
        lambda n, random: np.sign(np.sin(0.08 * n)),
        lambda n, random: np.sign(np.sin(np.pi / 8 * n + 0.1)),
        lambda n, random: (n % 12 == 0) * 0.5,
        lambda n, random: (n == 200).astype(float),
        lambda n, random: 1e-4 * random.standard_normal(n.size),
        lambda n, random: random.standard_normal(n.size),
        lambda n, random: np.cumsum(random.standard_normal(n.size)) / 100,
        lambda n, random: (n % 133 < 1) + 0.001 * random.standard_normal(n.size),
    ],
)
def test_analysis(lsf, signal):
    x = signal(np.arange(20 * SPEC.window), np.random.default_rng(0)).astype(np.float32)
    for window in np.lib.stride_tricks.sliding_window_view(x, SPEC.window + 1)[::97]:
        found = lsf(np.ascontiguousarray(window))
        np.testing.assert_allclose(found, analyse_windows(window, SPEC, M), rtol=0, atol=1e-6)
        assert (np.diff(found) > 0).all()
