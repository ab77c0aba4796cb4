"""Time-varying A(z) and 1/A(z) with explicit state, in double precision: `lpcnet_cq.speech.filters` in NumPy.

The functions compute what `direct_analysis` and `direct_synthesis` of `dsp.filters` compute, for one signal and without
checks of arguments. They need NumPy only: SciPy takes longer to import than ten seconds of speech to decode.

Letters: S subframes, L samples per subframe, M order, N = S L samples.
"""

import numpy as np

from lpcnet_cq.speech.windows import windows

BLOCK = 32  # samples that are computed at once


def residual(state: np.ndarray, x: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Filter speech by A(z), one set of coefficients per subframe, e[n] = sum_k a_k x[n-k].

    Parameters
    ----------
    state : float64 array (M,)
        The M samples before `x`, oldest first; zeros at the start of a signal.
    x : array (N,)
        Speech, N a multiple of the number of subframes.
    a : float64 array (S, M+1)
        LPC coefficients with a[..., 0] = 1.

    Returns
    -------
    state : float64 array (M,)
        The last M samples of `x`.
    e : float64 array (N,)
        Residual.

    References
    ----------
    J. Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63 (1975), eq. 3.
    """
    M = len(state)
    xs = np.concatenate([state, x])
    e = np.einsum("slk,sk->sl", windows(xs, M + 1).reshape(len(a), -1, M + 1), a[:, ::-1])
    return xs[len(x) :].copy(), e.reshape(-1)


def synthesise(state: np.ndarray, e: np.ndarray, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Filter an excitation by 1/A(z), y[n] = e[n] - sum_k a_k y[n-k], the inverse of `residual`.

    The recursion runs over blocks of `BLOCK` samples: a block of the output is the response to its excitation, a
    product with the impulse response, plus the response to the M samples before it.

    Parameters
    ----------
    state : float64 array (M,)
        The M output samples before `e`, oldest first; zeros at the start of a signal.
    e : array (N,)
        Excitation; the samples per subframe are a multiple of `BLOCK`.
    a : float64 array (S, M+1)
        LPC coefficients with a[..., 0] = 1.

    Returns
    -------
    state : float64 array (M,)
        The last M samples of `y`.
    y : float64 array (N,)
        Speech.
    """
    M, S = len(state), len(a)
    to_output, to_later = _responses(a, M)
    y = np.concatenate([state, (e.reshape(S, -1, BLOCK) @ to_output.transpose(0, 2, 1)).reshape(-1)])
    blocks_each = len(e) // (S * BLOCK)
    for i, response in enumerate(to_later):
        for n in range(i * blocks_each * BLOCK, (i + 1) * blocks_each * BLOCK, BLOCK):
            block = y[n + M : n + M + BLOCK]
            block += response.dot(y[n : n + M])
    return y[len(e) :].copy(), y[M:]


def _responses(a: np.ndarray, M: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrices from the excitation of a block to its output, and from the M samples before it.

    The impulse response is computed by doubling: its second half is the response to what the first half feeds back.

    Returns
    -------
    to_output : array (S, BLOCK, BLOCK)
        Element (i, j) is the impulse response at i - j.
    to_later : array (S, BLOCK, M)
    """
    S, first = len(a), BLOCK + M - 1
    h = np.zeros((S, 2 * BLOCK + M - 1))  # the impulse response begins at `first`
    feedback = np.zeros((S, 2 * BLOCK + M))  # between zeros, -a_M to -a_1
    feedback[:, BLOCK : BLOCK + M] = -a[:, :0:-1]
    h[:, first] = 1.0
    to_output = _toeplitz(h, first, (S, BLOCK, BLOCK), 1)  # a view, which has what `h` has so far
    within = _toeplitz(feedback, BLOCK + M, (S, BLOCK, BLOCK), -1)
    size = 1
    while size < BLOCK:
        fed_back = within[:, size : 2 * size, :size] @ h[:, first : first + size, None]
        h[:, first + size : first + 2 * size] = (to_output[:, :size, :size] @ fed_back)[..., 0]
        size *= 2
    return to_output, to_output @ _toeplitz(feedback, BLOCK, (S, BLOCK, M), -1)


def _toeplitz(v: np.ndarray, first: int, shape: tuple[int, int, int], sign: int) -> np.ndarray:
    """Return a view of v, a contiguous array: element (s, i, j) is v[s, first + sign * (i - j)]."""
    row, step = v.strides
    return np.ndarray(shape, v.dtype, v, first * step, (row, sign * step, -sign * step))
