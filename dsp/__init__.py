"""LPC analysis toolkit: NumPy and SciPy only.

Conventions: A(z) = 1 + sum_{k=1..M} a_k z^-k is stored as `a` of shape (..., M+1) with a[..., 0] = 1, so that
`scipy.signal.lfilter(a, [1], x)` computes the residual e = A(z) x. The synthesis is x = e / A(z). Line spectral
frequencies are in radians, ascending within (0, pi). Leading axes are batches of frames.
"""
