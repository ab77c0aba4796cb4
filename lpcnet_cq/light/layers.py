"""Causal layers with explicit state in NumPy: the layers of `lpcnet_cq.nn.layers`, for one signal and without training.

Every layer is called as `state, y = layer(state, x)` on float32 arrays (T, C); `layer.start()` returns the initial
state. A convolution is one matrix product with the input unfolded over the kernel. No layer changes its arguments.

Letters: T time, C channels, O outputs, k kernel length, d dilation, r stride.
"""

from collections.abc import Sequence

import numpy as np

# arrays without axes: NumPy takes longer to convert a number than to add it to the values of a packet
ONE = np.array(1, np.float32)
EPSILON = np.array(1e-5, np.float32)  # added to the mean square before the root, as in `nn.layers.Block`


class CausalConv:
    """Causal convolution over time.

    Parameters
    ----------
    params : dict
        `kernel` (k, C, O) and `bias` (O,).
    stride, dilation : int
    """

    def __init__(self, params: dict, stride: int = 1, dilation: int = 1):
        kernel = np.asarray(params["kernel"], np.float32)
        self.k, self.cin, cout = kernel.shape
        self.stride, self.dilation = stride, dilation
        self.past = (self.k - 1) * dilation + 1 - stride  # past samples that the first output needs
        self.weight = np.ascontiguousarray(kernel.reshape(self.k * self.cin, cout))
        self.bias = np.asarray(params["bias"], np.float32)

    def start(self) -> np.ndarray:
        """Return the state before the first sample, zeros (past, C)."""
        return np.zeros((self.past, self.cin), np.float32)

    def __call__(self, state: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the next state and y, shape (T // stride, O)."""
        if self.k == 1:
            return state, self.pointwise(x)
        xs = np.concatenate([state, x])
        y = unfold(xs, self.k, self.stride, self.dilation).dot(self.weight)
        y += self.bias
        return xs[len(xs) - self.past :], y

    def pointwise(self, x: np.ndarray) -> np.ndarray:
        """Return y (T, O) of a convolution with k = 1, which has no state."""
        y = x.dot(self.weight)  # `@` takes longer for few rows
        y += self.bias
        return y


def unfold(xs: np.ndarray, k: int, stride: int = 1, dilation: int = 1) -> np.ndarray:
    """Return the matrix X (rows, k*C) with which a convolution becomes the product Y = X W.

    Parameters
    ----------
    xs : contiguous array (T, C)
        Input including its past; rows = (T - (k - 1) * dilation - 1) // stride + 1.
    k, stride, dilation : int
        Parameters of the convolution. Its kernel has the shape (k, C, O), and W is kernel.reshape(k*C, O).

    Examples
    --------
    >>> unfold(np.array([[1.0], [2.0], [3.0]]), k=2).tolist()
    [[1.0, 2.0], [2.0, 3.0]]
    """
    rows, (step, item) = (len(xs) - (k - 1) * dilation - 1) // stride + 1, xs.strides
    taps = np.ndarray((rows, k, xs.shape[1]), xs.dtype, xs, 0, (stride * step, dilation * step, item))
    return taps.reshape(rows, -1)


class Block:
    """Residual block: RMS norm, dilated convolution, SiLU and pointwise convolution; the result is added to x.

    The scale of the norm is part of the kernel, so that the state holds values before the scale.

    Parameters
    ----------
    params : dict
        `scale` (C,), `conv` and `point`, parameters of two convolutions.
    dilation : int
    """

    def __init__(self, params: dict, dilation: int):
        conv = params["conv"]
        kernel = np.asarray(conv["kernel"], np.float32) * np.asarray(params["scale"], np.float32)[:, None]
        self.conv = CausalConv({"kernel": kernel, "bias": conv["bias"]}, dilation=dilation)
        self.point = CausalConv(params["point"])
        self.share = np.array(1 / kernel.shape[1], np.float32)

    def start(self) -> np.ndarray:
        """Return the state before the first sample."""
        return self.conv.start()

    def __call__(self, state: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the next state and y, shaped like x (T, C)."""
        power = np.vecdot(x, x)
        power *= self.share
        power += EPSILON
        np.sqrt(power, out=power)
        state, h = self.conv(state, x / power[:, None])
        h = self.point.pointwise(silu(h))
        h += x
        return state, h


def silu(x: np.ndarray) -> np.ndarray:
    """Return x / (1 + exp(-x)); the exponential may overflow, and then the result is zero."""
    y = np.negative(x)
    np.exp(y, out=y)
    y += ONE
    return np.divide(x, y, out=y)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)); the exponential may overflow, and then the result is zero."""
    return 1 / (1 + np.exp(-x))


def start_all(layers: Sequence[CausalConv | Block]) -> list[np.ndarray]:
    """Return the initial states of a chain of layers."""
    return [layer.start() for layer in layers]


def run_all(
    layers: Sequence[CausalConv | Block], states: list[np.ndarray], x: np.ndarray
) -> tuple[list[np.ndarray], np.ndarray]:
    """Run a chain of layers, each with its own state."""
    after = []
    for layer, state in zip(layers, states, strict=True):
        state, x = layer(state, x)
        after.append(state)
    return after, x
