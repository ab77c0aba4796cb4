"""Judges: what they score, in which direction, and what they refuse; each only where its package is installed."""

import doctest
import warnings

import numpy as np
import pytest

from lpcnet_cq.evaluation.bench import speech_like
from lpcnet_cq.evaluation.judges import JUDGED_S, JUDGES, hearing, naturalness, words
from lpcnet_cq.evaluation.metrics import METRIC_RATE_HZ as RATE_HZ
from lpcnet_cq.evaluation.metrics import missing_modules

OF_ONE_RATE = [name for name in JUDGES if name not in ("haspi", "hasqi")]

pytestmark = pytest.mark.filterwarnings("ignore")  # of the packages


def judge(name):
    """Return the score of a judge, or skip a test if its package is missing."""
    for module in missing_modules({name: JUDGES[name]}).values():
        pytest.skip(f"module {module} is not installed")
    return JUDGES[name].score


@pytest.fixture(scope="module")
def speech():
    return speech_like(JUDGED_S, RATE_HZ).astype(np.float64)


def noisy(x, level_db):
    return x + 10 ** (level_db / 20) * x.std() * np.random.default_rng(0).standard_normal(len(x))


@pytest.mark.parametrize(
    ("name", "best", "sign"),
    [("warpq", None, -1), ("haspi", 1.0, 1), ("hasqi", 1.0, 1), ("speaker", 1.0, 1)],
)
def test_identity_is_best_and_noise_is_heard(name, best, sign, speech):
    score = judge(name)
    same, little, much = (sign * score(speech, y, RATE_HZ) for y in (speech, noisy(speech, -20), noisy(speech, 5)))
    assert same > little > much
    assert best is None or same == pytest.approx(best, abs=0.01)


def test_distillmos_needs_no_original(speech):
    score = judge("distillmos")
    found = score(speech, speech, RATE_HZ)
    assert 1 <= found <= 5 and score(0 * speech, speech, RATE_HZ) == found
    assert naturalness.SEGMENT_S * RATE_HZ == 122880


def test_words_are_compared_with_those_heard_in_the_original(speech, monkeypatch):
    heard = {b"a": ("one", "two", "three", "four"), b"b": ("one", "too", "three"), b"c": ()}
    keys = {1.0: b"a", 2.0: b"b", 3.0: b"c"}
    monkeypatch.setattr(words, "heard", lambda x: heard[keys[x[0]]])
    a, b, c = (np.full(4, v) for v in keys)
    assert words.changed(a, a, RATE_HZ) == 0
    assert words.changed(a, b, RATE_HZ) == 0.5
    assert words.changed(a, c, RATE_HZ) == 1
    assert np.isnan(words.changed(c, a, RATE_HZ))
    assert doctest.testmod(words).failed == 0


def test_a_recogniser_hears_the_same_twice(speech):
    assert judge("words_changed")(speech, speech, RATE_HZ) in (0, pytest.approx(np.nan, nan_ok=True))
    assert words.heard(speech) == words.heard(speech.copy())


def test_hearing_is_at_one_level_and_of_the_middle(speech):
    score = judge("hasqi")
    y = noisy(speech, -10)
    found = score(speech, y, RATE_HZ)
    assert score(0.01 * speech, 0.01 * y, RATE_HZ) == pytest.approx(found, abs=1e-3)
    begin = round((JUDGED_S - hearing.EXCERPT_S) / 2 * RATE_HZ)
    outside = np.r_[np.zeros(begin), np.ones(len(y) - 2 * begin), np.zeros(begin)]
    assert score(outside * speech, outside * y, RATE_HZ) == pytest.approx(found, abs=1e-5)


@pytest.mark.parametrize("name", OF_ONE_RATE)
def test_other_sample_rates_are_refused(name):
    score = judge(name)
    with pytest.raises(ValueError, match=r"`sample_rate_hz` is 44100, for .* it must be 16000"):
        score(np.ones(44100), np.ones(44100), 44100)


def test_nothing_is_imported_before_a_judge_is_asked():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(missing_modules(JUDGES)) <= set(JUDGES)
    assert [name for name, metric in JUDGES.items() if not metric.modules] == []
