"""The optimiser: orthogonalised momentum for weight matrices, Adam for everything else."""

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

FEW = ("triangular", "skip", "step", "basis", "mean", "taps", "bias")  # tables, not maps between spaces: Adam


def weight_dimensions(params):
    """Say which axes of each parameter are inputs and outputs; None leaves the parameter to Adam."""

    def dimensions(path, value):
        if value.ndim < 2 or any(name in jax.tree_util.keystr(path) for name in FEW):
            return None
        return MuonDimensionNumbers(reduction_axis=tuple(range(value.ndim - 1)), output_axis=value.ndim - 1)

    return jax.tree_util.tree_map_with_path(dimensions, params)


def make_optimiser() -> optax.GradientTransformation:
    """Return a transformation of unit learning rate; the caller scales its updates.

    References
    ----------
    K. Jordan et al., "Muon" (2024); updates are scaled to the size of Adam's (J. Liu et al. 2025, arXiv 2502.16982,
    eq. 4), so that one learning rate serves both.
    """
    return muon(
        1.0,
        beta=0.95,
        weight_decay=0.0,
        adam_b1=0.9,
        adam_b2=0.99,
        consistent_rms=0.2,
        muon_weight_dimension_numbers=weight_dimensions,
    )
