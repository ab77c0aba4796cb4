"""Time-varying A(z) and 1/A(z) as ONNX nodes, in double precision: `lpcnet_cq.light.speech.filters`, for one packet.

Letters: S subframes, L samples per subframe, M order, N = S L samples.
"""

import numpy as np

from lpcnet_cq.export.graph import Graph, Tensor
from lpcnet_cq.light.speech.filters import BLOCK


def residual(past: Tensor, x: Tensor, a: Tensor, S: int, M: int, L: int) -> Tensor:
    """Return e (S, L) of x (N,) after the M samples `past`, filtered by A(z) with coefficients a (S, M+1)."""
    xs = past.graph.concat([past, x])
    rows = np.arange(S * L).reshape(S, L, 1) - np.arange(M + 1) + M
    return (xs.take(rows) @ a.reshape(S, M + 1, 1)).reshape(S, L)


def synthesise(g: Graph, past: Tensor, e: Tensor, a: Tensor, S: int, M: int, L: int) -> tuple[Tensor, Tensor]:
    """Filter by 1/A(z): a block of the output is the response to its excitation and to the M samples before it.

    Parameters
    ----------
    g : Graph
    past : Tensor (M,)
        The M output samples before `e`.
    e : Tensor (S, L)
    a : Tensor (S, M+1)

    Returns
    -------
    past, y : Tensor
        The last M samples, and all samples (N,).
    """
    # Row n of these matrices has the coefficients of y[n - k]: of the block itself, and of the samples before it.
    lag = np.arange(BLOCK)[:, None] - np.arange(-M, BLOCK)
    padded = g.concat([a, g.constant(np.zeros((S, 1)))], axis=1)  # element M + 1 is zero
    matrix = padded.take(np.where((lag >= 0) & (lag <= M), lag, M + 1), axis=1)
    response = inverse(g, matrix.slice(M, axis=2))
    later = response @ matrix.slice(0, M, axis=2)
    own = (response.reshape(S, 1, BLOCK, BLOCK) @ e.reshape(S, -1, BLOCK, 1)).reshape(S, -1)
    parts = []
    for s in range(S):
        to_later, of_subframe = later.take(np.array(s)), own.take(np.array(s))
        for i in range(L // BLOCK):
            y = of_subframe.slice(i * BLOCK, (i + 1) * BLOCK) - (to_later @ past.reshape(M, 1)).reshape(BLOCK)
            past = y.slice(BLOCK - M)
            parts.append(y)
    return past, g.concat(parts)


def inverse(g: Graph, matrix: Tensor) -> Tensor:
    """Return the inverse of lower triangular Toeplitz matrices (S, BLOCK, BLOCK) with ones on their diagonal.

    By halves, the inverse of [[A, 0], [B, A]] is [[R, 0], [-R B R, R]] with R = A^-1.
    """
    found, size = matrix.slice(0, 1, axis=1).slice(0, 1, axis=2), 1
    while size < BLOCK:
        corner = matrix.slice(size, 2 * size, axis=1).slice(0, size, axis=2)
        rows = g.concat([found, found * 0.0], axis=2), g.concat([-(found @ corner @ found), found], axis=2)
        found, size = g.concat(rows, axis=1), 2 * size
    return found
