"""LPC analysis toolkit: NumPy and SciPy only.

Conventions, everywhere: A(z) = 1 + sum_{k=1..M} a_k z^-k, stored as `a` of shape (..., M+1) with a[..., 0] = 1, as
`scipy.signal.lfilter(a, [1], x)` takes it; the residual is e = A(z) x, the synthesis x = e / A(z). Line spectral
frequencies are in radians, ascending within (0, pi). Leading axes are batches of frames.
"""
