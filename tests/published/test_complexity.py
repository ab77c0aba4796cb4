"""Multiplications per second of the presets against the papers' layer tables, written out by hand."""

import pytest

from lpcnet_cq.nn.layers import count_parameters
from lpcnet_cq.published.complexity import mmac_per_s, shapes_of
from lpcnet_cq.published.config import PRESETS, at_rates

FRAMES_PER_S = 16000 / 480


def cmrl_module():
    """Return encoder and decoder multiplications of one frame: kernel (k, in, out) times samples out."""
    wide = 9 * 100 * 20 + 9 * 20 * 20 + 9 * 20 * 100
    narrow = 9 * 50 * 20 + 9 * 20 * 20 + 9 * 20 * 50
    encoder = 512 * (900 + 2 * wide) + 256 * (9 * 100 * 100 + 2 * wide + 900)
    return encoder, 256 * (900 + 2 * wide + 9 * 100 * 100) + 512 * (2 * narrow + 450)


def test_cmrl_encodes_with_all_decoders_but_the_last():
    encoder, decoder = cmrl_module()
    found = mmac_per_s(PRESETS["cmrl"].system)
    assert found["encoder"] == pytest.approx((2 * encoder + decoder) * FRAMES_PER_S / 1e6)
    assert found["decoder"] == pytest.approx(2 * decoder * FRAMES_PER_S / 1e6)


def test_lpc_adds_its_filters():
    encoder, decoder = cmrl_module()
    found = mmac_per_s(PRESETS["cq-2020"].system)
    assert found["encoder"] == pytest.approx(encoder * FRAMES_PER_S / 1e6 + 17 * 0.016)
    assert found["decoder"] == pytest.approx(decoder * FRAMES_PER_S / 1e6 + 17 * 0.016)


def test_knet():
    block = 2 * 9 * 64 * 64
    encoder = 512 * (2 * 576 + 9 * 64 * 64 + 4 * block) + 256 * (3 * 9 * 64 * 64 + 4 * block + 2 * 576 + 9)
    decoder = 256 * (2 * 576 + 9 * 64 * 64 + 4 * block + 2 * 9 * 64 * 128)
    decoder += 512 * (9 * 64 * 64 + 4 * block + 2 * 576 + 9)
    found = mmac_per_s(PRESETS["knet"].system)
    assert found == pytest.approx({"encoder": encoder * FRAMES_PER_S / 1e6, "decoder": decoder * FRAMES_PER_S / 1e6})


def test_nwc_decoder_is_lighter_than_cmrls():
    assert mmac_per_s(PRESETS["nwc-2021"].system)["decoder"] < 0.7 * mmac_per_s(PRESETS["cq-2020"].system)["decoder"]


def test_parameters_grow_by_a_module():
    one, two = (count_parameters(shapes_of(at_rates(PRESETS["cmrl"], *rates).system)) for rates in ((9e3,), (4e3, 9e3)))
    assert two == 2 * one == 2 * (465_372 + 33)


def test_codebook_of_lsfs_counts_with_its_alpha():
    assert count_parameters(shapes_of(PRESETS["cq-2020"].system)) == 465_372 + 33 + 257
