"""One packet within a limit of bytes, with random entropy models and with speech that they did not expect."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.bitstream.packet import advance, resets_context, start
from lpcnet_cq.bitstream.packet_fit import Fitter, expected_side, padded
from lpcnet_cq.bitstream.rate_control import operating_points
from lpcnet_cq.speech.integer_model import SubframeModel
from lpcnet_cq.training.presets import PRESETS

CONFIG = PRESETS["tiny"].codec
SIZES = CONFIG.step_ratio ** (np.arange(CONFIG.n_steps) - CONFIG.n_steps // 2.0)
STEPS = range(CONFIG.n_steps)


@pytest.fixture(scope="module")
def model(speech_integers):
    return SubframeModel(speech_integers, CONFIG)


@pytest.fixture(scope="module")
def fitter(model):
    """Return the fitter of a packet in the middle of a stream, of about 130 bytes at the middle step."""
    random = np.random.default_rng(1)
    side = random.integers(-3, 4, (2, model.K))
    z = 2 * random.standard_normal((2, model.S, model.D))
    first = Fitter(model, None, side[:1], z[:1], SIZES, STEPS).at(8)
    return Fitter(model, first.pasts, side[1:], z[1:], SIZES, STEPS)


def test_points_cost_less_and_less(fitter):
    sizes = [fitter.at(p).n_bytes for p in operating_points(STEPS)]
    assert (np.diff(sizes) <= 0).all() and sizes[-1] < sizes[len(STEPS) - 1]


@pytest.mark.parametrize("guess", [None, 0, 8, 28])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 1.0, 1.5, 10.0])
def test_the_finest_that_fits_is_found_from_any_guess(fitter, share, guess):
    most = int(share * fitter.at(8).n_bytes)
    points = {p: fitter.at(p).n_bytes for p in operating_points(STEPS)}
    fitted = fitter.within(most, guess)
    finest = min(p for p, n in points.items() if n <= most)
    assert points[finest] <= fitted.n_bytes <= most
    assert fitted.n.step[0] == min(finest, STEPS[-1])
    np.testing.assert_array_equal(fitted.n.side, fitter.side)


def test_what_a_point_leaves_is_spent(fitter):
    """On a lower multiplier at the same step: over many limits, less is left than between two points."""
    sizes = np.array([fitter.at(p).n_bytes for p in operating_points(STEPS)])
    limits = range(int(sizes[14]), int(sizes[2]))
    left = [most - fitter.within(most).n_bytes for most in limits]
    unfilled = [most - sizes[sizes <= most].max() for most in limits]
    assert np.mean(left) < 0.7 * np.mean(unfilled)


def test_a_packet_without_room_says_less_and_less(model, fitter):
    """First at the coarsest point and a lower level, with the envelope; at last in a context that is reset."""
    coarsest = fitter.at(operating_points(STEPS)[-1]).n_bytes
    level, kinds = CONFIG.order, set()
    for most in range(coarsest, 0, -1):
        fitted = fitter.within(most)
        same_envelope = (fitted.n.side[0, :level] == fitter.side[0, :level]).all()
        quieter = fitted.n.side[0, level] < fitter.side[0, level]
        kinds.add("reset" if resets_context(model, b"".join(fitted.packet)) else (bool(same_envelope), bool(quieter)))
        if fitted.n_bytes > most:
            break
    assert "reset" in kinds and (True, False) in kinds
    last = fitter.within(0)
    np.testing.assert_array_equal(last.n.side, expected_side(model, start(model), fitter.side, []))
    assert not last.n.latents.any()
    with_context = [p for p in (last, fitter.within(coarsest)) if p.pasts[0].side.shape == (2, model.K)]
    assert len(with_context) == 2, "streams go on behind either"


def test_expected_side_information_costs_least(model, fitter):
    expected = expected_side(model, fitter.past, fitter.side, [])
    kept = expected_side(model, fitter.past, fitter.side, range(model.K))
    np.testing.assert_array_equal(kept, fitter.side)
    again = Fitter(model, fitter.pasts, expected, fitter.z, SIZES, STEPS)
    assert again.at(16).n_bytes < fitter.at(16).n_bytes


@pytest.mark.parametrize("most", [20, 40, 80, 200])
def test_layers_share_the_limit(model, most):
    random = np.random.default_rng(2)
    steps = range(CONFIG.n_steps - CONFIG.layer_steps)
    part = random.integers(-3, 4, (1, model.K)), random.standard_normal((1, model.S, model.D))
    fitted = Fitter(model, None, *part, SIZES, steps, L=1).within(most)
    assert len(fitted.packet) == len(fitted.pasts) == 2
    alone = Fitter(model, None, *part, SIZES, steps, L=1).at(operating_points(steps)[-1])
    assert fitted.n_bytes <= max(most, alone.n_bytes)


def test_memory_is_that_behind_the_packet(model, fitter):
    fitted = fitter.within(60)
    after = advance(fitter.past, fitted.n)
    np.testing.assert_array_equal(fitted.pasts[-1].side, after.side)
    np.testing.assert_array_equal(fitted.pasts[-1].latents, after.latents)


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=2), st.integers(0, 20))
def test_padding_is_zeros_behind_the_last_layer(layers, n):
    out = b"".join(padded(tuple(layers), n))
    plain = b"".join(layers)
    assert out == plain.ljust(n, b"\0")
    assert padded(tuple(layers), n)[:-1] == tuple(layers)[:-1]
