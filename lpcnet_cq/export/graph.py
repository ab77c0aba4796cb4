"""Build ONNX graphs with expressions as in NumPy.

A `Graph` holds nodes, constants and states. A `Tensor` is one value of a graph: operators and methods add nodes. Shapes
are not tracked, except by the check of the finished model.

States are inputs `state.NAME` and outputs `next.NAME` of one shape; their values before the first call are kept, so
that `start_model` can make a graph that returns them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET, IR_VERSION = 18, 8  # 18 has BitwiseXor


class Tensor:
    """Hold the name and the type of a value of a graph.

    Parameters
    ----------
    graph : Graph
    name : str
    dtype : dtype
    """

    __array_ufunc__ = None  # arrays on the left leave operators to this class

    def __init__(self, graph: "Graph", name: str, dtype: Any):
        self.graph, self.name, self.dtype = graph, name, np.dtype(dtype)

    def op(self, kind: str, *others: Any, dtype: Any = None, **attributes: Any) -> "Tensor":
        """Return the result of an operator on this tensor and others; numbers among them get the type of this one."""
        inputs = [self, *(o if isinstance(o, Tensor) else np.asarray(o, self.dtype) for o in others)]
        return self.graph.op(kind, *inputs, dtype=dtype or self.dtype, **attributes)

    def __add__(self, other):
        return self.op("Add", other)

    def __sub__(self, other):
        return self.op("Sub", other)

    def __mul__(self, other):
        return self.op("Mul", other)

    def __truediv__(self, other):
        return self.op("Div", other)

    def __matmul__(self, other):
        return self.op("MatMul", other)

    def __mod__(self, other):
        return self.op("Mod", other)

    def __neg__(self):
        return self.op("Neg")

    def __lt__(self, other):
        return self.op("Less", other, dtype=bool)

    def __gt__(self, other):
        return self.op("Greater", other, dtype=bool)

    def __ge__(self, other):
        return self.op("GreaterOrEqual", other, dtype=bool)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other):
        return self.graph.constant(np.asarray(other, self.dtype)) - self

    def __rtruediv__(self, other):
        return self.graph.constant(np.asarray(other, self.dtype)) / self

    def __rmatmul__(self, other):
        return self.graph.constant(np.asarray(other, self.dtype)) @ self

    def astype(self, dtype: Any) -> "Tensor":
        """Return the tensor with another type of its elements."""
        to = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self if self.dtype == dtype else self.op("Cast", dtype=dtype, to=to)

    def reshape(self, *shape: int) -> "Tensor":
        """Return the tensor with another shape; one size may be -1."""
        return self.graph.op("Reshape", self, np.array(shape, np.int64), dtype=self.dtype)

    def slice(self, start: int, stop: int | None = None, axis: int = 0) -> "Tensor":
        """Return the elements from `start` to before `stop` (None: to the end) along an axis."""
        ends = np.array([2**62 if stop is None else stop], np.int64)
        return self.graph.op("Slice", self, np.array([start]), ends, np.array([axis]), dtype=self.dtype)

    def take(self, indices: "np.ndarray | Tensor", axis: int = 0) -> "Tensor":
        """Return elements along an axis; the shape of the indices takes the place of the axis."""
        return self.graph.op("Gather", self, indices, dtype=self.dtype, axis=axis)

    def transpose(self, *axes: int) -> "Tensor":
        """Return the tensor with its axes in another order."""
        return self.op("Transpose", perm=axes)

    def sum(self, axis: int, keepdims: bool = False) -> "Tensor":
        """Return the sums along an axis."""
        return self.graph.op("ReduceSum", self, np.array([axis]), dtype=self.dtype, keepdims=int(keepdims))

    def reduce(self, kind: str, axis: int, keepdims: bool = False) -> "Tensor":
        """Return the largest or smallest elements along an axis: `kind` is "max" or "min"."""
        text = {"max": "ReduceMax", "min": "ReduceMin"}[kind]
        return self.graph.op(text, self, np.array([axis]), dtype=self.dtype, keepdims=int(keepdims))

    def clip(self, low: float, high: float) -> "Tensor":
        """Return the elements limited to a range."""
        return self.op("Clip", low, high)

    def cos(self) -> "Tensor":
        """Return the cosine; earlier versions of onnxruntime have only the sine in double precision."""
        return (self + np.pi / 2).op("Sin")

    def silu(self) -> "Tensor":
        """Return x / (1 + exp(-x)); x * Sigmoid(x) would be fused to an operator that browsers lack."""
        return self / (1 + (-self).op("Exp"))


class Graph:
    """Collect the nodes of one model.

    Parameters
    ----------
    name : str
    """

    def __init__(self, name: str):
        self.name = name
        self.initial: dict[str, np.ndarray] = {}  # states before the first call, by name
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple, Tensor] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def op(self, kind: str, *inputs: Any, dtype: Any, **attributes: Any) -> Tensor:
        """Add a node of one output, and return it. Arrays among the inputs become constants."""
        return self._node(kind, inputs, (dtype,), attributes)[0]

    def lowest(self, x: Tensor, n: int) -> Tensor:
        """Return the n lowest elements along the last axis, ascending."""
        return self._node("TopK", (x, np.array([n])), (x.dtype, np.int64), {"largest": 0})[0]

    def highest_at(self, x: Tensor, n: int) -> Tensor:
        """Return the indices of the n highest elements along the last axis; of equal ones, those of the first."""
        return self._node("TopK", (x, np.array([n])), (x.dtype, np.int64), {})[1]

    def _node(self, kind: str, inputs: Sequence[Any], dtypes: Sequence[Any], attributes: dict) -> list[Tensor]:
        """Add a node with outputs of these types."""
        names = [(i if isinstance(i, Tensor) else self.constant(np.asarray(i))).name for i in inputs]
        outputs = [Tensor(self, f"v{len(self._nodes)}.{i}", dtype) for i, dtype in enumerate(dtypes)]
        name = f"n{len(self._nodes)}"  # versions of onnxruntime need one
        self._nodes.append(helper.make_node(kind, names, [out.name for out in outputs], name, **attributes))
        return outputs

    def constant(self, value: np.ndarray) -> Tensor:
        """Return a constant; equal ones are stored once."""
        value = np.ascontiguousarray(value).reshape(value.shape)
        key = value.dtype.str, value.shape, value.tobytes()
        if key not in self._constants:
            self._constants[key] = Tensor(self, f"c{len(self._constants)}", value.dtype)
            self._initializers.append(numpy_helper.from_array(value, self._constants[key].name))
        return self._constants[key]

    def concat(self, parts: Sequence[Any], axis: int = 0) -> Tensor:
        """Return tensors, of which the first is no array, joined along an axis."""
        dtype = next(p.dtype for p in parts if isinstance(p, Tensor))
        return self.op("Concat", *parts, dtype=dtype, axis=axis)

    def where(self, condition: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """Return elements of x where the condition is true, and of y elsewhere."""
        return self.op("Where", condition, x, y, dtype=x.dtype)

    def input(self, name: str, shape: Sequence[int], dtype: Any) -> Tensor:
        """Add an input."""
        self._inputs.append(_info(name, dtype, shape))
        return Tensor(self, name, dtype)

    def output(self, name: str, value: Tensor, shape: Sequence[int]) -> None:
        """Add an output."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name], f"n{len(self._nodes)}"))
        self._outputs.append(_info(name, value.dtype, shape))

    def state(self, name: str, initial: np.ndarray) -> Tensor:
        """Add the input `state.NAME`, which has the value `initial` before the first call."""
        self.initial[name] = initial
        return self.input(f"state.{name}", initial.shape, initial.dtype)

    def next(self, name: str, value: Tensor) -> None:
        """Add the output `next.NAME`, which is `state.NAME` of the next call."""
        self.output(f"next.{name}", value.astype(self.initial[name].dtype), self.initial[name].shape)

    def model(self) -> onnx.ModelProto:
        """Return the model.

        Raises
        ------
        onnx.checker.ValidationError, onnx.shape_inference.InferenceError
            If types or shapes do not fit.
        """
        graph = helper.make_graph(self._nodes, self.name, self._inputs, self._outputs, self._initializers)
        opset = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="lpcnet-cq")
        onnx.checker.check_model(model, full_check=True)
        return model


def start_model(name: str, initial: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Return a model without inputs whose outputs `next.NAME` are the states before the first call."""
    g = Graph(name)
    for key, value in initial.items():
        g.output(f"next.{key}", g.constant(value), value.shape)
    return g.model()


def _info(name: str, dtype: Any, shape: Sequence[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), list(shape))
