"""Presets and their arithmetic: what the papers say, and nothing that contradicts itself."""

import json
from dataclasses import FrozenInstanceError, asdict, replace

import pytest

from lpcnet_cq.published.config import FRAMES, PRESETS, at_rates, recipe_from_dict, system_from_dict


def test_frames_are_the_papers():
    assert (FRAMES.window, FRAMES.hop, FRAMES.look_ahead) == (512, 480, 32)
    assert PRESETS["knet"].system.n_code == 256
    assert PRESETS["knet"].system.frames_per_second == pytest.approx(33.3333, abs=1e-4)


def test_one_bit_per_code_sample_is_the_papers_rate():
    """8.533 kbps per bit of the code, 0.5333 kbps per bit of every LSF."""
    c = PRESETS["cq-2020"].system
    assert c.n_code * c.frames_per_second == pytest.approx(8533.33, abs=0.01)
    assert c.n_lsf * c.frames_per_second == pytest.approx(533.33, abs=0.01)


def test_delay_is_a_frame_and_the_reach_of_the_lpc_window():
    assert PRESETS["cmrl"].system.delay_ms == 32
    assert PRESETS["cq-2020"].system.delay_ms == 48
    assert PRESETS["cq-2020"].system.lpc_spec.window == 1024


@pytest.mark.parametrize("name", PRESETS)
def test_losses_and_quantisers_are_the_papers(name):
    r = PRESETS[name]
    assert (r.time_weight, r.quantisation_weight, r.system.n_centroids, r.system.temperature) == (60, 10, 32, 300)
    assert r.mel_weight == (5 if r.system.lpc == "none" else 10)
    assert r.loss_on == "speech"


@pytest.mark.parametrize("name", PRESETS)
def test_systems_and_recipes_survive_json(name):
    c = PRESETS[name].system
    assert system_from_dict(json.loads(json.dumps(asdict(c)))) == c
    assert recipe_from_dict(json.loads(json.dumps(PRESETS[name].as_dict()))) == PRESETS[name]


def test_presets_are_frozen():
    with pytest.raises(FrozenInstanceError):
        PRESETS["cmrl"].seed = 1


def test_other_rates_bring_their_modules():
    r = at_rates(PRESETS["lpc-cmrl"], 9000.0, 24000.0)
    assert (r.system.n_modules, r.bitrate_bps, r.system.lpc) == (2, 24000, "fixed")


@pytest.mark.parametrize("rates", [(), (9000.0,), (9000.0, 4000.0), (0.0, 9000.0)])
def test_rates_must_rise_one_per_module(rates):
    with pytest.raises(ValueError, match="bitrates_bps"):
        replace(PRESETS["cmrl"], bitrates_bps=rates)


def test_contradictions_are_one_sentence():
    c = PRESETS["cq-2020"].system
    with pytest.raises(ValueError, match="n_modules"):
        replace(c, n_modules=0)
    with pytest.raises(ValueError, match="overlap"):
        replace(c, spec=replace(FRAMES, look_ahead=64))
    with pytest.raises(ValueError, match="multiple of 16"):
        replace(c, n_lsf_centroids=100)
    with pytest.raises(ValueError, match="LPC front end"):
        replace(PRESETS["cmrl"], loss_on="residual")
