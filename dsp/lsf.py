"""Line spectral frequencies: the angles of the roots of P(z) and Q(z), and back.

Place in the chain: the domain in which envelopes are quantised and interpolated. P(z) = A(z) + z^-(M+1) A(1/z) and
Q(z) = A(z) - z^-(M+1) A(1/z) have all their roots on the unit circle, interlaced, exactly when 1/A(z) is stable.

Letters: M order, w frequencies.
"""

import numpy as np
from numpy.typing import ArrayLike


def _deflated(a):
    """Return P and Q without their roots at z = -1 and z = 1, symmetric polynomials."""
    M = a.shape[-1] - 1
    p = np.pad(a, [(0, 0)] * (a.ndim - 1) + [(0, 1)])
    P, Q = p + p[..., ::-1], p - p[..., ::-1]
    alternate = (-1.0) ** np.arange(M + 2)
    if M % 2 == 0:
        return np.cumsum(P * alternate, -1)[..., :-1] * alternate[:-1], np.cumsum(Q, -1)[..., :-1]
    Q2 = np.cumsum(Q, -1)[..., :-1]  # odd order: Q holds both trivial roots
    return P, (np.cumsum(Q2 * alternate[:-1], -1) * alternate[:-1])[..., :-1]


def _cosine_series(p):
    """Return c with p(e^jw) = e^(-j w d/2) sum_m c_m cos(m w), for symmetric p of even degree d."""
    half = p.shape[-1] // 2
    return np.concatenate([p[..., half : half + 1], 2 * p[..., half + 1 :]], axis=-1)


def _angles(c):
    """Return the zeros in (0, pi) of sum_m c_m cos(m w): eigenvalues of the colleague matrix, then Newton."""
    n = c.shape[-1] - 1
    if n == 0:
        return np.zeros((*c.shape[:-1], 0))
    m = np.arange(n + 1)
    C = np.zeros((*c.shape[:-1], n, n))
    j = np.arange(n - 1)
    C[..., j, j + 1] = 0.5
    C[..., j + 1, j] = 0.5
    if n > 1:
        C[..., 0, 1] = 1.0
    C[..., -1, :] -= 0.5 * c[..., :-1] / c[..., -1:]
    if n == 1:
        C[..., 0, 0] = -c[..., 0] / c[..., 1]
    x = np.linalg.eigvals(C).real
    w = np.sort(np.arccos(np.clip(x, -1, 1)), axis=-1)
    for _ in range(3):  # polish: Newton steps no longer than a small part of the distance to the neighbours
        phase = w[..., None] * m
        f = np.einsum("...km,...m->...k", np.cos(phase), c)
        df = -np.einsum("...km,...m->...k", m * np.sin(phase), c)
        gap = np.min(np.stack([np.diff(w, prepend=0.0), np.diff(w, append=np.pi)]), axis=0)
        step = np.where(np.abs(df) > 0, f / np.where(df == 0, 1, df), 0.0)
        w = w - np.clip(step, -0.25 * gap, 0.25 * gap)
    return w


def lpc_to_lsf(a: ArrayLike) -> np.ndarray:
    """Return the line spectral frequencies of minimum-phase predictors.

    Parameters
    ----------
    a : array (..., M+1)
        a[..., 0] = 1.

    Returns
    -------
    array (..., M)
        Ascending, rad, in (0, pi).

    Examples
    --------
    >>> (lpc_to_lsf([1.0, 0.0, 0.0]) * 3 / np.pi).round(12).tolist()
    [1.0, 2.0]

    References
    ----------
    F. Soong and B.-H. Juang, "Line spectrum pair (LSP) and speech data compression", ICASSP 1984.
    """
    P, Q = _deflated(np.asarray(a, np.float64))
    w = np.concatenate([_angles(_cosine_series(P)), _angles(_cosine_series(Q))], axis=-1)
    return np.sort(w, axis=-1)


def lsf_to_lpc(lsf: ArrayLike) -> np.ndarray:
    """Return the predictor whose line spectral frequencies are given.

    Parameters
    ----------
    lsf : array (..., M)
        Ascending, rad, in (0, pi).

    Returns
    -------
    array (..., M+1)

    Examples
    --------
    >>> lsf_to_lpc([np.pi / 3, 2 * np.pi / 3]).round(12).tolist()
    [1.0, 0.0, 0.0]
    """
    w = np.asarray(lsf, np.float64)
    M = w.shape[-1]

    def product(first, angles):
        p = np.broadcast_to(np.asarray(first, float), (*w.shape[:-1], len(first)))
        for k in range(angles.shape[-1]):
            c = -2 * np.cos(angles[..., k : k + 1])
            pad = [(0, 0)] * (p.ndim - 1)
            p = np.pad(p, [*pad, (0, 2)]) + c * np.pad(p, [*pad, (1, 1)]) + np.pad(p, [*pad, (2, 0)])
        return p

    ends = ([1.0, 1.0], [1.0, -1.0]) if M % 2 == 0 else ([1.0], [1.0, 0.0, -1.0])
    P, Q = product(ends[0], w[..., 0::2]), product(ends[1], w[..., 1::2])
    return 0.5 * (P + Q)[..., :-1]
