"""The optimiser: orthogonalised momentum for weight matrices, Adam for everything else."""

import jax
import optax
from optax.contrib import MuonDimensionNumbers, muon

# Words in the names of parameters that Adam trains although they have two axes: they are tables, not weight matrices.
TABLES = ("triangular", "skip", "step", "basis", "mean", "taps", "bias", "energy_weights")


def weight_dimensions(params):
    """Return the input and output axes of each parameter; None for parameters that Adam trains."""

    def dimensions(path, value):
        if value.ndim < 2 or any(name in jax.tree_util.keystr(path) for name in TABLES):
            return None
        return MuonDimensionNumbers(reduction_axis=tuple(range(value.ndim - 1)), output_axis=value.ndim - 1)

    return jax.tree_util.tree_map_with_path(dimensions, params)


def make_optimiser() -> optax.GradientTransformation:
    """Return a transformation with a learning rate of 1; the caller scales its updates.

    References
    ----------
    K. Jordan et al., "Muon" (2024). Its updates are scaled to the size of those of Adam (J. Liu et al. 2025,
    arXiv 2502.16982, eq. 4), so that both use the same learning rate.
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
