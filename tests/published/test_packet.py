"""Frames as bytes: tables that always add up, symbols that come back, bits that are what is written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.published.packet import frequency_table, frequency_tables, get_frame, layout, put_frame, symbol_bits


@pytest.fixture(scope="module")
def system(tiny):
    return tiny(n_modules=2, lpc="fixed")


def draw(c, T=40, seed=0):
    """Return peaked symbols (T, K) of frames."""
    random = np.random.default_rng(seed)
    lsf = random.binomial(c.n_lsf_centroids - 1, np.linspace(0.2, 0.8, c.n_lsf), (T, c.n_lsf))
    return np.concatenate([lsf, random.binomial(c.n_centroids - 1, 0.3, (T, 2 * c.n_code))], axis=1)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=256))
def test_tables_add_up_and_allow_every_symbol(counts):
    table = frequency_table(np.array(counts))
    assert table[0] == 0 and table[-1] == 1 << 16 and (np.diff(table) > 0).all()
    share = (np.array(counts) + 1e-9) / (sum(counts) + 1e-9 * len(counts))  # all alike where nothing was counted
    np.testing.assert_allclose(np.diff(table) / (1 << 16), share, atol=2 * len(counts) / (1 << 16))


def test_symbols_come_back_and_packets_end_by_themselves(system):
    s = draw(system)
    places = layout(frequency_tables(s, system), system)
    assert len(places) == s.shape[1]
    data = b"".join(put_frame(places, row) for row in s) + b"\xff"
    offset, found = 0, []
    for _ in s:
        row, offset = get_frame(places, data, offset)
        found.append(row)
    np.testing.assert_array_equal(found, s)
    assert offset == len(data) - 1


def test_bits_are_what_is_written(system):
    """A packet rounds up to whole bytes: between nothing and two bytes more than its ideal bits."""
    s = draw(system)
    tables = frequency_tables(s, system)
    sizes = np.array([8 * len(put_frame(layout(tables, system), row)) for row in s])
    excess = sizes - symbol_bits(tables, s, system).sum(axis=1)
    assert excess.min() > -0.01 and excess.max() < 16


def test_tables_are_per_module_and_per_lsf(system):
    s = draw(system)
    s[:, -system.n_code :] = 5  # the second module says one thing only
    tables = frequency_tables(s, system)
    assert tables["code"].shape == (2, system.n_centroids + 1) and tables["code"].dtype == np.int32
    assert tables["lsf"].shape == (system.order, system.n_lsf_centroids + 1)
    bits = symbol_bits(tables, s, system)
    assert bits[:, -system.n_code :].max() < 0.01
    assert bits[:, : system.n_lsf].mean() == pytest.approx(
        np.mean([-np.log2(np.bincount(v)[v] / len(v)).mean() for v in s[:, : system.n_lsf].T]), abs=0.02
    )


def test_without_lpc_there_are_codes_only(tiny):
    c = tiny()
    s = np.zeros((3, c.n_code), int)
    assert set(frequency_tables(s, c)) == {"code"} and len(layout(frequency_tables(s, c), c)) == c.n_code


def test_known_answer():
    places = [tuple(frequency_table(np.array([6, 1, 1])).tolist())] * 8
    assert put_frame(places, np.array([0, 0, 1, 0, 2, 0, 0, 0])).hex() == "77d0"


def test_a_packet_cut_short_is_noticed(system):
    s = draw(system, T=1)
    places = layout(frequency_tables(draw(system), system), system)
    with pytest.raises(BitstreamError):
        get_frame(places, put_frame(places, s[0])[:-1], 0)
