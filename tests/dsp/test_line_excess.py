import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.line_excess import line_excess_db, pause_line_excess_db

RATE_HZ, STEP_HZ = 16000, 250.0


def noise(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def tones(n, at_multiples, between, rate_hz=RATE_HZ, step_hz=STEP_HZ):
    """Sines at all multiples of the step and half-way between them, of two amplitudes."""
    phase = 2 * np.pi * step_hz / rate_hz * np.arange(n)
    m = np.arange(1, int(rate_hz / 2 / step_hz))[:, None]
    angles = noise(0, 2, len(m), 1)
    return at_multiples * np.sin(m * phase + angles[0]).sum(0) + between * np.sin((m + 0.5) * phase + angles[1]).sum(0)


@given(st.floats(1e-4, 1.0), st.floats(1e-4, 1.0))
def test_excess_is_the_ratio_of_amplitudes_at_and_between_the_multiples(a, b):
    y = tones(8192, a, b)
    assert line_excess_db(y, RATE_HZ, STEP_HZ) == pytest.approx(20 * np.log10(a / b), abs=0.02)


@pytest.mark.parametrize("step_hz", [50.0, 100.0, 200.0, 250.0])
def test_noise_has_no_lines_at_any_level_or_step(step_hz):
    y = noise(1, 8, 80000) * 10.0 ** np.arange(-4, 4)[:, None]
    found = line_excess_db(y, RATE_HZ, step_hz)
    assert found.shape == (8,) and np.abs(found).max() < 0.5 and abs(found.mean()) < 0.2


@pytest.mark.parametrize(("rate_hz", "step_hz"), [(44100, 44100 / 1024), (48000, 50.0), (8000, 200.0)])
def test_other_sample_rates_and_steps_that_fall_between_bins(rate_hz, step_hz):
    y = tones(rate_hz, 1.0, 0.1, rate_hz, step_hz)
    assert line_excess_db(y, rate_hz, step_hz) == pytest.approx(20, abs=1.0)


def test_a_line_grows_by_three_decibels_with_every_doubling_of_the_window():
    y = noise(2, 320000)
    y[::64] += 8
    found = [float(line_excess_db(y, RATE_HZ, STEP_HZ, window_s)) for window_s in (0.128, 0.256, 0.512)]
    np.testing.assert_allclose(np.diff(found), 3.0, atol=0.4)


def test_silence_has_no_lines():
    assert line_excess_db(np.zeros(5000), RATE_HZ, STEP_HZ) == 0


def test_pauses_are_where_the_original_is_quiet():
    x = np.repeat([1.0, 1e-3, 1.0], 16000) * noise(3, 48000)
    y = x + np.repeat([0, 1, 0], 16000) * tones(48000, 0.005, 0.0005)
    assert pause_line_excess_db(x, y, RATE_HZ, STEP_HZ) == pytest.approx(20, abs=0.5)
    assert abs(pause_line_excess_db(x, x, RATE_HZ, STEP_HZ)) < 1.5  # of 0.8 s
    assert abs(line_excess_db(y, RATE_HZ, STEP_HZ)) < 0.5


def test_all_windows_as_pauses_are_the_whole_signal():
    x, y = noise(4, 2, 3, 20000)
    np.testing.assert_allclose(
        pause_line_excess_db(x, y, RATE_HZ, STEP_HZ, share=1.0), line_excess_db(y, RATE_HZ, STEP_HZ), atol=1e-9
    )
    one = pause_line_excess_db(x, y, RATE_HZ, STEP_HZ, share=0.0)
    assert one.shape == (3,) and np.isfinite(one).all()


def test_batches_are_rows():
    x, y = noise(5, 2, 2, 2, 9000)
    found = pause_line_excess_db(x, y, RATE_HZ, STEP_HZ)
    alone = [pause_line_excess_db(x[i, j], y[i, j], RATE_HZ, STEP_HZ) for i in range(2) for j in range(2)]
    np.testing.assert_allclose(found.ravel(), alone)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(4095), RATE_HZ, STEP_HZ), "`y` has 4095 samples, .* window, 4096"),
        ((np.zeros(9000), 0, STEP_HZ), "`sample_rate_hz` is 0"),
        ((np.zeros(9000), RATE_HZ, 3000.0), "`step_hz` is 3000.0, .* from 0 to 2586"),
        ((np.zeros(9000), RATE_HZ, 25.0), "`window_s` is 0.256, .* at least 0.32"),
        ((np.full(9000, np.nan), RATE_HZ, STEP_HZ), "`y` holds NaN"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        line_excess_db(*arguments)


def test_pauses_refuse_other_shapes_and_shares():
    with pytest.raises(ValueError, match=r"`y` has shape \(9001,\)"):
        pause_line_excess_db(np.zeros(9000), np.zeros(9001), RATE_HZ, STEP_HZ)
    with pytest.raises(ValueError, match="`share` is 2"):
        pause_line_excess_db(np.zeros(9000), np.zeros(9000), RATE_HZ, STEP_HZ, share=2)
