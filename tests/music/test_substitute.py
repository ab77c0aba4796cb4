"""Packets in place of lost music: they fade, keep ratios of lines to energies, and end in silence."""

import numpy as np
import pytest

from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.music.band_layout import LEVELS
from lpcnet_cq.music.freeze import freeze
from lpcnet_cq.music.integer_model import LineModel
from lpcnet_cq.music.substitute import FADE, REPEATED, substitute
from lpcnet_cq.training.presets import PRESETS

C = PRESETS["audio-tiny"].codec
SIDES = slice(1 + C.bands, 1 + 2 * C.bands)  # prediction coefficients, between the energies of mid and side


@pytest.fixture(scope="module")
def entropy(perturbed):
    return LineModel(freeze(perturbed[1], C), C)


@pytest.fixture(scope="module")
def last(entropy):
    random = np.random.default_rng(4)
    side = np.concatenate([[0], random.integers(0, 12, entropy.K - 1)])[None]
    return Integers(np.array([C.n_steps - 1]), side, random.integers(-3, 4, (1, entropy.S, entropy.D)))


def energies(n):
    return np.delete(n.side[0], np.r_[0, SIDES])


@pytest.mark.parametrize("lost", range(1, 8))
def test_energies_fall_by_six_db_a_packet_down_to_the_least(entropy, last, lost):
    n = substitute(last, lost, entropy, C)
    np.testing.assert_array_equal(energies(n), np.maximum(energies(last) - FADE * lost, LEVELS[0]))
    np.testing.assert_array_equal(n.side[0, SIDES], last.side[0, SIDES])
    assert n.side[0, 0] == last.side[0, 0]


def test_lines_are_repeated_with_other_signs_and_then_left_out(entropy, last):
    first, second = (substitute(last, lost, entropy, C).latents for lost in (1, 2))
    for latents in (first, second):
        np.testing.assert_array_equal(np.abs(latents), np.abs(last.latents))
    assert (first != last.latents).any() and (first != second).any()
    assert substitute(last, REPEATED, entropy, C).latents.any()
    assert not substitute(last, REPEATED + 1, entropy, C).latents.any()


def test_steps_of_all_lines_fall_with_the_energies(entropy, last):
    """Four units of 1/8 octave an energy unit, up to half a step index and where no limit is met."""
    n = substitute(last, 1, entropy, C)
    octaves = np.log2(C.step_ratio) * float((n.step - last.step)[0])
    change = np.mean(entropy.exponents(n.side) - entropy.exponents(last.side)) / 8 + octaves
    assert change == pytest.approx(-FADE / 2, abs=0.51 * np.log2(C.step_ratio))


def test_it_is_a_function_of_its_arguments(entropy, last):
    once, again = (substitute(last, 3, entropy, C) for _ in range(2))
    for name in ("step", "side", "latents"):
        np.testing.assert_array_equal(getattr(once, name), getattr(again, name))


def test_nothing_was_received_yet(entropy):
    n = substitute(None, 1, entropy, C)
    assert not n.latents.any() and (energies(n) == LEVELS[0]).all() and not n.side[0, SIDES].any()
    assert n.step == [C.nominal_step] and n.latents.shape == (1, entropy.S, entropy.D)
