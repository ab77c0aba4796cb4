"""Long-term postfilter as ONNX nodes: `lpcnet_cq.light.speech.postfilter`, for one packet.

Letters: S subframes, L samples per subframe, n offsets m of an earlier subframe.
"""

import numpy as np

from lpcnet_cq.export.graph import Graph, Tensor
from lpcnet_cq.export.layers import causal_conv, pointwise, window
from lpcnet_cq.light.speech import postfilter as light
from lpcnet_cq.speech.constants import BLOCKS, ENERGY_FLOOR, MAX_GAIN, TAPS


def postfilter(g: Graph, model: light.LongTermPostfilter, y: Tensor, cond: Tensor, S: int) -> Tensor:
    """Return the filtered speech, float32 (S*L,), from y (S*L,) and the conditions (S, C)."""
    L, n = model.L, model.n_lags
    ys = window(g, "postfilter.y", model.start().y, y.astype(np.float32))
    r = correlation(g, model, ys, S)
    w = (r * model.sharpness + model.preference).op("Softmax", axis=1)
    voicing = g.concat([(w * r).sum(1, keepdims=True), (w * w).sum(1, keepdims=True)], axis=1)
    look = causal_conv(g, "postfilter.look", model.look, g.concat([cond, voicing], axis=1), S)
    gains = pointwise(model.gains, look.silu()).clip(-MAX_GAIN, MAX_GAIN)
    zeros = np.zeros((S, TAPS // 2), np.float32)
    padded = g.concat([g.constant(zeros), w, g.constant(zeros)], axis=1)
    shifted = padded.take(np.arange(TAPS)[:, None] + np.arange(n), axis=1)  # (S, TAPS, n)
    taps = gains.slice(1, axis=1).reshape(S, 1, TAPS) @ shifted
    begin = (BLOCKS - 1) * L + model.first
    frames = ys.take(begin + L * np.arange(S)[:, None] + np.arange(n + L - 1))
    long_term = correlate(frames, taps, S)
    present = ys.slice(-S * L).reshape(S, L)
    return ((gains.slice(0, 1, axis=1) + 1) * present + long_term.reshape(S, L)).reshape(-1)


def correlation(g: Graph, model: light.LongTermPostfilter, ys: Tensor, S: int) -> Tensor:
    """Return the normalised cross-correlation (S, n) of the last `BLOCKS` subframes of ys with the past."""
    L, N, n = model.L, BLOCKS * model.L, model.n_lags
    starts = L * np.arange(S)[:, None]
    present = ys.take(model.past * L + starts + np.arange(N))
    earlier = ys.take(model.first + starts + np.arange(n + N - 1))
    product = correlate(earlier, present.reshape(S, 1, N), S).reshape(S, n)
    wide = ys.astype(np.float64)
    sums = g.concat([g.constant(np.zeros(1)), g.op("CumSum", wide * wide, np.array(0), dtype=np.float64)])
    energy = sums.slice(N) - sums.slice(0, -N)  # of N samples from each sample on
    lags, last = (energy.take(starts + np.asarray(m)) for m in (model.first + np.arange(n), [model.past * L]))
    scale = ((lags + ENERGY_FLOOR) * (last + ENERGY_FLOOR)).op("Sqrt")
    return product * (1 / scale).astype(np.float32)


def correlate(x: Tensor, v: Tensor, S: int) -> Tensor:
    """Return the correlations of rows x (S, n + k - 1) and v (S, 1, k), without padding, (1, S, n)."""
    return x.reshape(1, S, -1).op("Conv", v, group=S)
