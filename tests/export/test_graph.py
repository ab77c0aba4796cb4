"""Expressions on tensors give what NumPy gives."""

import numpy as np
import onnx
import onnxruntime
import pytest

from lpcnet_cq.export.graph import Graph, start_model

X = np.array([[1.0, -2.0, 3.0], [0.5, 4.0, -0.25]])


@pytest.mark.parametrize(
    ("of_graph", "of_numpy"),
    [
        (lambda x: 1 - x / 2 + x * 3, lambda x: 1 - x / 2 + x * 3),
        (lambda x: 2 / x - (-x), lambda x: 2 / x + x),
        (lambda x: np.ones((4, 2)) @ x, lambda x: np.ones((4, 2)) @ x),
        (lambda x: x.transpose(1, 0) * 2, lambda x: 2 * x.T),
        (lambda x: x.slice(1, axis=1).reshape(-1), lambda x: x[:, 1:].reshape(-1)),
        (lambda x: x.take(np.array([[2, 0]]), axis=1), lambda x: x[:, [[2, 0]]]),
        (lambda x: x.sum(1) + x.reduce("max", 1) - x.reduce("min", 1), lambda x: x.sum(1) + np.ptp(x, axis=1)),
        (lambda x: x.clip(-1, 2).silu(), lambda x: x.clip(-1, 2) / (1 + np.exp(-x.clip(-1, 2)))),
        (lambda x: x.graph.where(x < 0, x * 0.0, x), lambda x: np.maximum(x, 0)),
        (lambda x: x.graph.lowest(x, 3), np.sort),
        (lambda x: (x >= 1).astype(np.float32), lambda x: np.float32(x >= 1)),
        (lambda x: x.graph.concat([x, np.zeros((1, 3))]), lambda x: np.concatenate([x, np.zeros((1, 3))])),
    ],
)
def test_expressions(of_graph, of_numpy):
    g, expected = Graph("test"), of_numpy(X)
    g.output("y", of_graph(g.input("x", X.shape, X.dtype)), expected.shape)
    session = onnxruntime.InferenceSession(g.model().SerializeToString(), providers=["CPUExecutionProvider"])
    y = session.run(None, {"x": X})[0]
    assert y.dtype == expected.dtype
    np.testing.assert_allclose(y, expected)


def test_states_begin_with_their_initial_values():
    g = Graph("test")
    g.next("sum", g.state("sum", np.array([2.0])) + g.input("x", [1], np.float64))
    first = onnxruntime.InferenceSession(start_model("start", g.initial).SerializeToString()).run(None, {})
    session = onnxruntime.InferenceSession(g.model().SerializeToString())
    assert [v.name for v in session.get_outputs()] == ["next.sum"]
    np.testing.assert_array_equal(session.run(None, {"state.sum": first[0], "x": np.ones(1)})[0], [3.0])


def test_a_wrong_shape_is_an_error():
    g = Graph("test")
    g.output("y", g.input("x", [3], np.float32), [4])
    with pytest.raises(onnx.shape_inference.InferenceError):
        g.model()
