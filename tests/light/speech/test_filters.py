"""A(z) and 1/A(z): against `dsp.filters`; chunks are the whole."""

import numpy as np
import pytest

from dsp.filters import direct_analysis, direct_synthesis
from dsp.lsf import lsf_to_lpc
from lpcnet_cq.light.speech.filters import BLOCK, residual, synthesise

M, L, S = 16, 64, 2 * BLOCK + 3


@pytest.fixture(scope="module")
def filters():
    random = np.random.default_rng(4)
    return lsf_to_lpc(np.linspace(0, np.pi, M + 2)[1:-1] + random.uniform(-0.05, 0.05, (S, M)))


def test_residual_is_that_of_the_toolkit(filters, normal):
    x, before = normal(S * L), normal(M).astype(np.float64)
    state, e = residual(before, x, filters)
    expected, last = direct_analysis(x, filters, before)
    np.testing.assert_allclose(e, expected, atol=1e-12)
    np.testing.assert_array_equal(state, last)


def test_synthesis_is_that_of_the_toolkit_and_the_inverse(filters, normal):
    e, before = normal(S * L), normal(M).astype(np.float64)
    state, y = synthesise(before, e, filters)
    expected, last = direct_synthesis(e, filters, before)
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(state, last, rtol=1e-12)
    np.testing.assert_allclose(residual(before, y, filters)[1], e, atol=1e-9)


def test_chunks_with_state_are_the_whole(filters, normal):
    e, state, parts = normal(S * L), np.zeros(M), []
    for s in range(S):
        state, y = synthesise(state, e[s * L : (s + 1) * L], filters[s : s + 1])
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts), synthesise(np.zeros(M), e, filters)[1], rtol=1e-12, atol=1e-12)
