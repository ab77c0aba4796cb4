"""Groups of weights: layout and its inverse, soft thresholding by its closed form, selection by rank."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

from lpcnet_cq.checkpoint.weight_groups import CHANNELS, UNSTRUCTURED, Pattern, from_groups, resolve, tiles, to_groups
from lpcnet_cq.pruning.patterns import expand_mask, group_norms, select_groups, soft_threshold

PATTERNS = [UNSTRUCTURED, CHANNELS, Pattern(1, 8), Pattern(4, 4), Pattern(1, 0)]


def vectors(elements, n):
    return st.lists(elements, min_size=n, max_size=n)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_groups_are_tiles_of_the_matrix_view(pattern):
    value = np.arange(3 * 4 * 16).reshape(3, 4, 16)
    groups = to_groups(value, pattern)
    np.testing.assert_array_equal(from_groups(groups, value.shape, pattern), value)
    r, c = resolve(pattern, value.shape)
    W = value.reshape(12, 16)
    tiling = [W[i : i + r, o : o + c].ravel() for i in range(0, 12, r) for o in range(0, 16, c)]
    np.testing.assert_array_equal(groups, tiling)


def test_what_a_group_has_all_its_weights_have():
    keep = jnp.array([True, False, False, True])
    expected = [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
    np.testing.assert_array_equal(expand_mask(keep, (4, 4), Pattern(2, 2)), expected)


def test_patterns_that_do_not_fit_are_refused():
    assert tiles(Pattern(4, 4), (2, 6, 8)) and not tiles(Pattern(4, 4), (19, 128))
    with pytest.raises(ValueError, match="4 x 4 do not tile a matrix of 19 x 128"):
        resolve(Pattern(4, 4), (19, 128))


# Few lengths: each is compiled anew.
@given(st.sampled_from([1, 8]).flatmap(lambda n: vectors(st.floats(-10, 10, width=32), n)), st.floats(0, 5, width=32))
def test_single_weights_shrink_by_the_closed_form(values, threshold):
    w = np.float32(values)
    expected = np.sign(w) * np.maximum(np.abs(w) - threshold, 0)
    np.testing.assert_allclose(soft_threshold(jnp.asarray(w)[:, None], threshold)[:, 0], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("threshold", [0.0, 0.4, 3.0])
def test_groups_shrink_to_the_minimum_of_their_problem(threshold):
    """Judge: a general minimiser of (1/2) ||u - w||^2 + threshold sqrt(n) ||u||."""
    w = np.array([1.0, -2.0, 0.5, 1.5])

    def cost(u):
        return 0.5 * np.sum((u - w) ** 2) + threshold * 2 * np.linalg.norm(u)

    found = np.asarray(soft_threshold(jnp.float32(w)[None], threshold)[0], np.float64)
    best = minimize(cost, 0.5 * w, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12, "maxiter": 5000})
    assert cost(found) <= best.fun + 1e-6


@given(
    st.sampled_from([1, 2, 13, 40]).flatmap(lambda n: vectors(st.integers(0, 4), n)),
    st.floats(0, 1),
    st.integers(0, 2**40 - 1),
)
def test_the_best_of_the_living_are_kept(scores, sparsity, bits):
    score = np.float32(scores)
    alive = np.array([bits >> i & 1 for i in range(len(score))], bool)
    keep = np.asarray(select_groups(jnp.asarray(score), jnp.asarray(alive), jnp.float32(sparsity)))
    n = len(score) - int(np.round(np.float32(len(score)) * np.float32(sparsity)))
    assert keep.sum() == min(n, alive.sum())
    assert not np.any(keep & ~alive)
    assert np.min(score[keep], initial=9) >= np.max(score[alive & ~keep], initial=0)


def test_norms_are_those_of_numpy():
    groups = np.random.default_rng(1).standard_normal((6, 5)).astype(np.float32)
    np.testing.assert_allclose(group_norms(jnp.asarray(groups)), np.linalg.norm(groups, axis=1), rtol=1e-6)
