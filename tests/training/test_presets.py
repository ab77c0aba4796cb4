"""Dimensions, delays and presets."""

import json
from dataclasses import asdict, replace

import jax
import jax.numpy as jnp
import pytest

from dsp.frames import FrameSpec
from lpcnet_cq.checkpoint.weights import codec_config_from_dict
from lpcnet_cq.published.config import PRESETS as PUBLISHED
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.training.presets import PRESETS, preset_for_weights


def test_delay_is_packet_analysis_look_ahead_and_one_subframe():
    c = SpeechConfig()
    assert c.delay == 320 + 128 + 64
    assert c.delay_ms == 32 <= 40


def test_dimensions_survive_json():
    c = SpeechConfig(spec=FrameSpec(look_ahead=64), context=7, step_ratio=1.3)
    assert codec_config_from_dict(json.loads(json.dumps(asdict(c)))) == c


@pytest.mark.parametrize("name", [name for name in PRESETS if "audio" not in name])
def test_presets_fit_together(name):
    c = PRESETS[name].codec
    assert c.spec.subframe % c.step == 0 and c.spec.look_ahead % c.step == 0
    assert c.order <= c.spec.subframe and c.order % 2 == 0
    assert c.n_steps % 2 == 1 and 0 <= c.nominal_step < c.n_steps


def test_step_sizes_nest_and_cover_the_rates():
    """Three to one between layers; a range of rates draws all step sizes, one rate about half of them."""
    t = PRESETS["cq"]
    assert t.codec.step_ratio**t.codec.layer_steps == pytest.approx(3)
    assert t.span == pytest.approx(1, abs=0.01) and t.bitrate_bps == 16500
    assert replace(t, bitrates_bps=(9000.0, 9000.0)).span == pytest.approx(0.5)


@pytest.mark.parametrize("name", [name for name in PRESETS if "audio" in name])
def test_presets_for_music_fit_together(name):
    t = PRESETS[name]
    c = t.codec
    assert c.n_latents % c.short_blocks == 0 and c.n_latents <= c.spec.hop and c.spec.hop % (8 * c.short_blocks) == 0
    assert c.spec.look_ahead == c.spec.hop == c.spec.subframe == c.decoder_delay and c.bands % 4 == 0
    assert codec_config_from_dict(json.loads(json.dumps(asdict(c)))) == c
    assert 0.9 < t.span <= 1 and min(t.loss.priority, t.loss.modulation, t.loss.audible) > 0


def test_published_systems_go_by_their_names():
    assert set(PUBLISHED) == {"knet", "cmrl", "lpc-cmrl", "cq-2020", "nwc-2021"}
    assert set(PUBLISHED).isdisjoint(PRESETS)


@pytest.mark.parametrize(("init", "preset"), [("cq", "cq"), ("cq-sparse", "cq"), ("audio", "audio")])
def test_the_preset_follows_from_the_weights(init, preset):
    for purpose in ("continue", "prune"):
        assert preset_for_weights(init, purpose) == replace(PRESETS[f"{preset}-{purpose}"], init=init)


@pytest.mark.parametrize("model", ["speech_model", "music_model"])
def test_new_parameters_have_the_types_of_trained_ones(model, request):
    """Types that change with the first step compile the second one anew, out of the budget of minutes."""
    leaves = jax.tree.leaves(request.getfixturevalue(model)[1])
    assert leaves and all(leaf.dtype == jnp.float32 and not leaf.weak_type for leaf in leaves)
