"""Symmetric polynomials and their zeros on the unit circle, for line and immittance spectral frequencies.

On the unit circle, a symmetric polynomial of degree 2n equals e^(-jwn) times the cosine series sum_m c_m cos(m w). With
x = cos w this is a Chebyshev series of degree n.

Notation: n zeros, T polynomials (rows), c coefficients of the cosine series.
"""

from functools import lru_cache

import numpy as np

_CELLS_PER_ZERO = 16  # grid cells per zero, in which sign changes are searched
_STEPS = 4  # iterations of Newton's method
_FEW = 16  # up to this number of polynomials, eigenvalues are faster than Newton's method
_BLOCK = 1024  # polynomials per step, so that the grid of values fits in the cache


def divide_minus(p: np.ndarray) -> np.ndarray:
    """Return p(z) / (1 - z^-1) for polynomials that have this factor; the result has one coefficient fewer."""
    return np.cumsum(p, axis=-1)[..., :-1]


def divide_plus(p: np.ndarray) -> np.ndarray:
    """Return p(z) / (1 + z^-1) for polynomials that have this factor; the result has one coefficient fewer."""
    sign = _signs(p.shape[-1])
    return (np.cumsum(p * sign, axis=-1) * sign)[..., :-1]


@lru_cache(maxsize=64)
def _signs(n):
    """Return 1, -1, 1 and so on, (n,)."""
    return (-1.0) ** np.arange(n)


def multiply_binomial(p: np.ndarray, sign: float, delay: int = 1) -> np.ndarray:
    """Return p(z) (1 + sign z^-delay)."""
    out = np.zeros((*p.shape[:-1], p.shape[-1] + delay))
    out[..., : p.shape[-1]] = p
    out[..., delay:] += sign * p
    return out


def symmetric_polynomial(w: np.ndarray) -> np.ndarray:
    """Return prod_k (1 - 2 cos(w_k) z^-1 + z^-2), shape (..., n) to (..., 2n+1).

    The cosine series is computed from values at Chebyshev points, because multiplication factor by factor would lose
    six digits of the coefficients at order 32.
    """
    n = w.shape[-1]
    points, cosines = _chebyshev_points(n)
    half = np.multiply.reduce(points - 2 * np.cos(w)[..., None], axis=-2) @ cosines
    p = np.concatenate([half[..., :0:-1], half], axis=-1)
    p[..., 0] = p[..., -1] = 1.0
    return p


@lru_cache(maxsize=64)
def _chebyshev_points(n):
    """Return 2 cos(theta) at n + 1 Chebyshev points, and the matrix from values there to a cosine series."""
    theta = np.pi * (np.arange(n + 1) + 0.5) / (n + 1)
    return 2 * np.cos(theta), np.cos(theta[:, None] * np.arange(n + 1)) / (n + 1)


def zero_angles(p: np.ndarray) -> np.ndarray:
    """Return the angles in [0, pi] of the zeros of symmetric polynomials, ascending, (..., 2n+1) to (..., n).

    All zeros must lie on the unit circle; for other polynomials the angles are finite but meaningless.
    """
    return series_zeros(cosine_series(p))


def cosine_series(p: np.ndarray) -> np.ndarray:
    """Return the coefficients c of the cosine series of symmetric polynomials, (..., 2n+1) to (..., n+1)."""
    n = p.shape[-1] // 2
    return np.concatenate([p[..., n : n + 1], 2 * p[..., n + 1 :]], axis=-1)


def series_zeros(c: np.ndarray) -> np.ndarray:
    """Do as `zero_angles`, given the cosine series, (..., n+1) to (..., n)."""
    rows, n = c.reshape(-1, c.shape[-1]), c.shape[-1] - 1
    x = np.zeros((len(rows), n))
    if n:
        for i in range(0, len(rows), _BLOCK):
            x[i : i + _BLOCK] = _chebyshev_zeros(rows[i : i + _BLOCK])
    return np.arccos(np.minimum(np.maximum(x, -1.0), 1.0)).reshape(*c.shape[:-1], n)


def _chebyshev_zeros(c):
    """Return the zeros (T, n), descending in x, of sum_m c_m T_m(x)."""
    T, n = c.shape[0], c.shape[1] - 1
    if T <= _FEW:
        return _eigenvalues(c)
    theta = np.pi * np.arange(_CELLS_PER_ZERO * n + 1) / (_CELLS_PER_ZERO * n)
    values = c @ np.cos(np.arange(n + 1)[:, None] * theta)
    negative = values < 0
    change = negative[:, 1:] != negative[:, :-1]
    seen = np.flatnonzero(np.count_nonzero(change, axis=1) == n)
    cell = np.nonzero(change[seen])[1].reshape(-1, n)
    left, right = values[seen[:, None], cell], values[seen[:, None], cell + 1]
    high, low = np.cos(theta[cell]), np.cos(theta[cell + 1])
    start = high + (low - high) * left / (left - right)
    found, exact = _newton(np.ascontiguousarray(c[seen].T), start.T, low.T, high.T)
    x = np.empty((T, n))
    x[seen] = found.T
    remaining = np.ones(T, bool)
    remaining[seen] = ~exact  # also polynomials with two zeros in one cell
    if remaining.any():
        x[remaining] = _eigenvalues(c[remaining])
    return x


def _newton(c, x, low, high):
    """Return the zeros x (n, T) refined between low and high, and which polynomials (T,) are well-conditioned."""
    step = np.inf
    for _ in range(_STEPS):
        f, df = _clenshaw(c, x)
        step = np.divide(f, df, out=np.zeros_like(f), where=df != 0)
        x = np.clip(x - step, low, high)
    rounding = np.finfo(float).eps * np.abs(c).sum(0)
    exact = (np.abs(step) < 1e-12) & (rounding < 1e-13 * np.abs(df))
    return x, exact.all(0)


def _clenshaw(c, x):
    """Return sum_m c_m T_m(x) and its derivative, for c (n+1, T) and x (n, T)."""
    b = b1 = d = d1 = np.zeros_like(x)
    for m in range(len(c) - 1, 0, -1):
        d, d1 = 2 * (b + x * d) - d1, d
        b, b1 = c[m] + 2 * x * b - b1, b
    return c[0] + x * b - b1, b + x * d - d1


def _eigenvalues(c):
    """Return the zeros (T, n) as eigenvalues of the colleague matrices.

    For many polynomials this is slower than Newton's method, but the errors of close zeros cancel in the polynomial.
    """
    n = c.shape[1] - 1
    C = np.array([_shift(n)] * len(c))
    C[:, -1] -= (0.5 if n > 1 else 1.0) * c[:, :-1] / c[:, -1:]
    x = np.linalg.eigvals(C).real
    return np.sort(x)[:, ::-1]


@lru_cache(maxsize=64)
def _shift(n):
    """Return the matrix (n, n) of x T_m = (T_(m-1) + T_(m+1)) / 2 without the term of T_n."""
    C = 0.5 * (np.eye(n, k=1) + np.eye(n, k=-1))
    C[0, 1:2] = 1.0  # x T_0 = T_1, other rows have the factor 1/2
    return C
