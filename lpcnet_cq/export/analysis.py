"""Front end of the encoder as ONNX nodes, in double precision: high-pass filter, LPC analysis, LSFs.

Counterparts: `lpcnet_cq.speech.highpass`, `lpcnet_cq.speech.analysis` and what this calls of `dsp`.

Letters: M order, N window length, n = M/2 zeros of P(z) and of Q(z) above the real axis.
"""

import numpy as np

from dsp._symmetric import divide_minus, divide_plus
from dsp.frames import FrameSpec
from lpcnet_cq.export.graph import Graph, Tensor
from lpcnet_cq.speech.analysis import (
    CLOSE,
    CLOSE_PAIRS,
    PREEMPHASIS,
    TONE_GAIN_DB,
    TONE_GAMMA,
    TONE_WHITE_NOISE,
    analysis_windows,
)
from lpcnet_cq.speech.highpass import BLOCK, filter_matrices

CELLS = 128  # of the grid on which the search for zeros starts
ITERATIONS = 6  # of this search; four reach double precision
FAR = 1e300  # in place of the distance of a zero to itself


def highpass(g: Graph, state: Tensor, x: Tensor, n_samples: int, sample_rate_hz: int) -> tuple[Tensor, Tensor]:
    """Return the next state (2,) and the filtered signal, float32 (n_samples,), whole blocks of `BLOCK` samples."""
    m, rows = filter_matrices(sample_rate_hz), x.astype(np.float64).reshape(-1, BLOCK)
    added, states = rows @ m.to_state, [state.reshape(1, 2)]
    for i in range(n_samples // BLOCK):
        states.append(states[-1] @ m.powers[-1] + added.slice(i, i + 1))
    y = rows @ m.response + g.concat(states[:-1]) @ m.of_state
    return states[-1].reshape(2), y.reshape(-1).astype(np.float32)


def analyse(g: Graph, x: Tensor, spec: FrameSpec, M: int) -> Tensor:
    """Return the LSFs, float64 (M,) with the precision of float32, of an analysis window x (N + 1,)."""
    hamming, lags = analysis_windows(spec, M)
    w = x.astype(np.float64)
    w = (w.slice(1) - PREEMPHASIS * w.slice(0, -1)) * hamming
    padded = g.concat([w, g.constant(np.zeros(M))])
    delayed = padded.take(np.arange(M + 1)[:, None] + np.arange(spec.window))
    r = (delayed @ w.reshape(-1, 1)).reshape(-1) * lags + 1e-9 * np.eye(M + 1)[0]
    corrections = np.stack([np.ones(M + 1), 1 + TONE_WHITE_NOISE * np.eye(M + 1)[0]])
    a = levinson_durbin(g, r * corrections, M)
    residual = (r * a.take(np.array(0))).sum(0, keepdims=True)
    both = lsf_of(g, a * np.stack([np.ones(M + 1), TONE_GAMMA ** np.arange(M + 1)]), M)
    plain, of_tone = (both.take(np.array(i)) for i in range(2))
    close = ((plain.slice(1) - plain.slice(0, -1)) < CLOSE).astype(np.float64).sum(0, keepdims=True)
    small = residual < 10 ** (-TONE_GAIN_DB / 10) * r.slice(0, 1)
    tone = small.op("Or", close >= CLOSE_PAIRS, dtype=bool)
    return g.where(tone, of_tone, plain).astype(np.float32).astype(np.float64)


def levinson_durbin(g: Graph, r: Tensor, M: int) -> Tensor:
    """Return the predictors (2, M+1) for two autocorrelations (2, M+1): `dsp.lpc.levinson_durbin`.

    The white noise correction keeps the error power above zero.
    """
    a, E, zeros = g.constant(np.ones((2, 1))), r.slice(0, 1, axis=1), g.constant(np.zeros((2, 1)))
    for m in range(1, M + 1):
        k = -((a * r.take(np.arange(m, 0, -1), axis=1)).sum(1, keepdims=True) / E)
        longer = g.concat([a, zeros], axis=1)
        a = longer + k * longer.take(np.arange(m, -1, -1), axis=1)
        E = E * (1 - k * k)
    return a


def lsf_of(g: Graph, a: Tensor, M: int) -> Tensor:
    """Return the LSFs (2, M) of two predictors (2, M+1), ascending: `dsp.lsf.lpc_to_lsf`.

    The search starts in the cells of a grid where a polynomial in x = cos w changes its sign, and in any other cells
    for zeros that share a cell. All zeros are found at once, with the third order of convergence.

    References
    ----------
    O. Aberth, "Iteration methods for finding all zeros of a polynomial simultaneously", Math. Comp. 27 (1973).
    """
    n = M // 2
    coefficients = (a @ polynomials_of_lpc(M)).reshape(4, n + 1, 2)  # of P and Q of each: p, p'
    grid = np.cos(np.pi * np.arange(CELLS + 1) / CELLS)
    values = coefficients.take(np.array(0), axis=2) @ (grid ** np.arange(n + 1.0)[:, None])
    negative = (values < 0).astype(np.float32)
    changes = (negative.slice(1, axis=1) - negative.slice(0, -1, axis=1)).op("Abs")
    cells = g.highest_at(changes, n)
    x = g.constant(np.cos(np.pi * (np.arange(CELLS) + 0.5) / CELLS)).take(cells)
    for _ in range(ITERATIONS):
        powers = x.reshape(4, n, 1).op("Pow", np.arange(n + 1.0))
        values = powers @ coefficients
        p, derivative = (values.slice(i, i + 1, axis=2).reshape(4, n) for i in range(2))
        distances = x.reshape(4, n, 1) - x.reshape(4, 1, n) + FAR * np.eye(n)
        x = x - p / (derivative - p * (1 / distances).sum(2))
    x = x.clip(-1.0, 1.0)
    # onnxruntime computes arc cosines in single precision only; one step of Newton's method follows.
    w = x.astype(np.float32).op("Acos").astype(np.float64)
    w = w + (w.cos() - x) / w.op("Sin")
    return g.lowest(w.reshape(2, M), M)


def polynomials_of_lpc(M: int) -> np.ndarray:
    """Return the matrix (M+1, 2 (n+1) 2) from a predictor to the coefficients of two polynomials and derivatives.

    The polynomials in x = cos w are P(z) / (1 + z^-1) and Q(z) / (1 - z^-1) on the unit circle; each has n zeros.
    """
    n = M // 2
    a = np.eye(M + 1, M + 2)
    P, Q = divide_plus(a + a[:, ::-1]), divide_minus(a - a[:, ::-1])
    out = np.zeros((M + 1, 2, n + 1, 2))
    for i, p in enumerate((P, Q)):
        series = np.concatenate([p[:, n : n + 1], 2 * p[:, n + 1 :]], axis=1)
        for row, of_cosines in zip(out[:, i], series, strict=True):
            c = np.polynomial.chebyshev.cheb2poly(of_cosines)
            row[: len(c), 0] = c
            row[: len(c) - 1, 1] = np.polynomial.polynomial.polyder(c)
    return out.reshape(M + 1, -1)
