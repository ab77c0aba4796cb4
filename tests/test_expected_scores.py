"""The scores of the released weights: none is worse than `experiments/expected_scores.py` wrote them down."""

import doctest
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the evaluation draws")
pytest.importorskip("librosa", reason="the mel distance needs its filters")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import expected_scores

import lpcnet_cq

NAMES = sorted(path.stem for path in (Path(lpcnet_cq.__file__).parent / "released").glob("*.safetensors"))


@pytest.fixture(scope="module", params=NAMES)
def released(request):
    """Return a released codec, and what is expected of it."""
    expected = json.loads((expected_scores.EXPECTED / f"{request.param}.json").read_text(encoding="utf-8"))
    return lpcnet_cq.load(request.param), expected


def test_examples():
    assert doctest.testmod(expected_scores).failed == 0


def test_every_expectation_belongs_to_released_weights():
    assert sorted(path.stem for path in expected_scores.EXPECTED.glob("*.json")) == NAMES


def test_expected_scores_are_those_of_these_weights(released):
    codec, expected = released
    assert expected["weights_sha256"] == codec.sha256, "run experiments/expected_scores.py"


def test_synthetic_signals_score_as_expected(released):
    codec, expected = released
    found = expected_scores.synthetic(codec)
    assert found.keys() == expected["synthetic"].keys()
    assert all(found[k].keys() & expected["synthetic"][k].keys() >= {"bytes", "snr_db", "mel_distance"} for k in found)
    assert expected_scores.compare(found, expected["synthetic"]) == {}


def test_noise_is_decoded_without_lines(released):
    codec, expected = released
    found = expected_scores.noise(codec)
    assert found.keys() == expected["noise"].keys()
    assert expected_scores.compare(found, expected["noise"]) == {}
    most_db = max(scores["line_excess_db"] for scores in found.values())
    assert most_db <= expected_scores.MOST_LINES_DB[codec.name]


def test_development_clips_score_as_expected(released):
    codec, expected = released
    found = expected_scores.development(codec)
    if not found:
        pytest.skip(f"no corpus in {expected_scores.CORPUS} (LPCNET_CQ_CORPUS names its folder)")
    assert found.keys() == expected["development"].keys()
    assert expected_scores.compare(found, expected["development"]) == {}


@pytest.mark.parametrize("name", sorted(expected_scores.TOLERANCES))
def test_a_worse_score_is_seen_and_a_better_one_is_not(name):
    tolerance = expected_scores.TOLERANCES[name]
    assert expected_scores.worse({name: 2 - 1.1 * tolerance}, {name: 2.0}) == [
        f"{name} is {2 - 1.1 * tolerance:g}, expected is 2"
    ]
    assert expected_scores.worse({name: 2 - 0.9 * tolerance}, {name: 2.0}) == []
    assert expected_scores.worse({name: 2 + 5 * tolerance}, {name: 2.0}) == []


def test_a_small_loss_of_all_signals_is_seen_in_the_mean():
    expected = {name: {"bytes": 1000, "snr_db": 9.0} for name in "abc"}
    found = {name: {"bytes": 1000, "snr_db": 8.8} for name in "abc"}
    assert expected_scores.compare(found, expected) == {"mean": ["snr_db is 8.8, expected is 9"]}
    assert expected_scores.compare({"a": found["a"]} | {"b": expected["b"]}, expected) == {}
    assert expected_scores.compare({"d": found["a"]}, expected) == {}
