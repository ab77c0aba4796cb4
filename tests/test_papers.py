"""The experiments on the published systems: their files, the tables, and that a row is made once."""

import argparse
import csv
import doctest
import sys
import tomllib
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile
from flax import nnx

pytest.importorskip("matplotlib", reason="the evaluation draws")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import papers
import papers_tables

from lpcnet_cq.nn.layers import count_parameters
from lpcnet_cq.published.codec import PublishedCodec
from lpcnet_cq.published.complexity import shapes_of
from lpcnet_cq.published.config import AutoencoderConfig, SystemConfig
from lpcnet_cq.published.model import Model
from lpcnet_cq.published.packet import frequency_tables
from lpcnet_cq.published.weights import save_system
from lpcnet_cq.training.data import Clip

FILES = {name: tomllib.loads(path.read_text()) for name, path in papers.EXPERIMENTS.items()}
RECIPES = {name: papers.recipe_of(values, minutes=5.0) for name, values in FILES.items() if "preset" in values}


def size(name):
    return count_parameters(shapes_of(RECIPES[name].system))


def test_examples():
    assert doctest.testmod(papers).failed == 0


@pytest.mark.parametrize("name", FILES)
def test_files_are_short_and_say_what_they_ask(name):
    lines = papers.EXPERIMENTS[name].read_text().splitlines()
    assert lines[0].startswith("# ") and len(lines) <= 20
    assert len(FILES[name].keys() & {"preset", "run", "bitrate_bps"}) == 1
    assert FILES[name].get("run", "cmrl") in RECIPES


def test_experiments_differ_and_all_aim_at_9_or_24_kbps():
    assert len({(str(recipe), FILES[name].get("times", 1)) for name, recipe in RECIPES.items()}) == len(RECIPES)
    assert {recipe.bitrate_bps for recipe in RECIPES.values()} == {9000.0, 24000.0}


def test_an_experiment_may_train_several_times_as_long():
    args = argparse.Namespace(minutes=8.0)
    found = [papers.minutes_of(FILES[name], args) for name in ("cq-2020", "cq-2020-longer", "ours-9k")]
    assert found == [8.0, 16.0, 0.0]


def test_sizes_are_those_the_questions_speak_of():
    assert size("cmrl-one-large") == pytest.approx(size("cmrl"), rel=0.01)
    assert 0.3 < size("cmrl-gated") / size("cmrl") < 0.4


def test_claims_are_about_experiments():
    assert {name for pair in papers_tables.CLAIMS.values() for name in pair} <= FILES.keys()


def rows_of(system, kbps, pesq):
    row = {"system": system, "kbps": kbps, "pesq": np.mean(pesq), "parameters": 1000, "mmac_per_s": 50.0}
    clips = [{"system": system, "clip": f"{i}.wav", "pesq": p} for i, p in enumerate(pesq)]
    return row, clips


def test_learning_curves_are_drawn(tmp_path):
    points = [{"frames": 1000 * i, "pesq": 1 + 0.1 * i, "kbps": 9.0} for i in range(3)]
    papers_tables.draw_curves({"knet": points, "cmrl": points[:1]}, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_tables():
    """Ours at equal bytes lies half way between its rates; differences are taken recording by recording."""
    made = [rows_of("ours-9k", 9, [3.0, 3.0]), rows_of("ours-12k", 11, [4.0, 4.0])]
    made += [rows_of("cmrl", 10, [2.0, 3.0]), rows_of("knet", 10.5, [1.5, 2.5])]
    text = papers_tables.tables([row for row, _ in made], [clip for _, clips in made for clip in clips])
    assert "| 2.50 (3.50) |" in text and "| 100.0 % |" in text
    assert "| CMRL against K-Net | -0.50 | +0.50 ± 0.00 |" in text


@pytest.mark.parametrize("soft", [False, True])
def test_a_system_is_scored_from_its_bytes(tmp_path, monkeypatch, vowel, soft):
    """Soft sound, which no bytes carry, costs the bits of the hard symbols."""
    c = SystemConfig(AutoencoderConfig("bottleneck", channels=4, hidden=2), lpc="trained")
    random, path = np.random.default_rng(0), tmp_path / "untrained.safetensors"
    s = np.concatenate([random.integers(0, c.n_lsf_centroids, (9, c.n_lsf)), random.integers(0, 32, (9, 256))], axis=1)
    params = nnx.state(Model(c, rngs=nnx.Rngs(0)), nnx.Param)
    params = jax.tree.map(lambda v: v if v.any() else 0.1 * jax.random.normal(jax.random.key(v.size), v.shape), params)
    save_system(path, params, frequency_tables(s, c), c, {"bitrate_bps": 9000.0})
    soundfile.write(tmp_path / "vowel.wav", vowel(), 16000, subtype="FLOAT")
    monkeypatch.setattr(papers, "held_out", lambda _: [Clip(tmp_path / "vowel.wav", "s", "dev")])
    codec = papers.Published(path, soft)
    means, rows = papers.scored(codec, 9000, tmp_path, argparse.Namespace(data="", limit_s=None))
    data = codec.encode(vowel(), 16000)
    y, hard = codec.decode(data)[0], PublishedCodec(path).decode(data)[0]
    assert rows[0]["bytes"] == len(data) and means["kbps"] == pytest.approx(8 * len(data) / 1000)
    assert np.array_equal(y, hard) != soft and len(y) == len(hard)
    assert 0 < codec.released_bits < 2 * 34 * (256 + c.n_lsf) * 5


def test_a_training_is_scored_on_the_way_and_a_point_is_made_once(tmp_path, monkeypatch):
    """Three sittings of two minutes; the third is only the last minute. A finished run adds no point."""
    done, sittings = {"minutes": 0.0, "frames": 0}, []

    def train(recipe, folder, quiet, sitting_minutes):
        sittings.append(folder)
        done["minutes"] = min(recipe.minutes, done["minutes"] + sitting_minutes)
        done["frames"] = round(100 * done["minutes"])
        return folder / "weights.safetensors"

    monkeypatch.setattr(papers, "train", train)
    monkeypatch.setattr(papers, "Published", lambda path, soft: argparse.Namespace(notes=done))
    monkeypatch.setattr(papers, "curve_point", lambda codec, args: {"frames": codec.notes["frames"], "pesq": 3.0})
    args = argparse.Namespace(out=tmp_path, results=tmp_path, minutes=5.0, score_minutes=2.0, at_once=1)
    recipe = papers.recipe_of(FILES["knet"], minutes=5.0)
    papers.trained("knet", recipe, args)
    assert len(sittings) == 3
    assert papers.trained("knet", recipe, args) == tmp_path / "knet-5min" / "weights.safetensors"
    with open(tmp_path / "curves" / "knet.csv", newline="") as file:
        assert [row["frames"] for row in csv.DictReader(file)] == ["200", "400", "500"]


def test_points_of_a_curve_count_bytes(tmp_path, monkeypatch, vowel):
    soundfile.write(tmp_path / "vowel.wav", vowel(), 16000, subtype="FLOAT")
    monkeypatch.setattr(papers, "held_out", lambda _: [Clip(tmp_path / "vowel.wav", "s", "dev")])
    monkeypatch.setattr(papers, "CURVE_METRICS", ("snr_db",))
    notes = {"frames": 320, "step": 10, "minutes": 1.0}
    coded = argparse.Namespace(
        notes=notes, sample_rate_hz=16000, encode=lambda x, _: bytes(len(x) // 100), decode=lambda _: (0.9 * vowel(), 0)
    )
    found = papers.curve_point(coded, argparse.Namespace(data="", limit_s=120.0))
    assert found["kbps"] == pytest.approx(16 * 8 / 100, rel=0.01) and found["snr_db"] == pytest.approx(20, abs=0.1)
    assert (found["frames"], found["steps"], found["minutes"]) == (320, 10, 1.0)


def test_systems_may_be_trained_at_the_same_time(tmp_path, monkeypatch):
    made = []

    def measure(name, values, args):
        made.append(name)
        return {"kbps": 9.0, "pesq": 3.0, "parameters": 1000, "mmac_per_s": 50.0}, [{"clip": "a.wav", "pesq": 3.0}]

    monkeypatch.setattr(papers, "measure_published", measure)
    monkeypatch.setattr(papers, "measure_ours", measure)
    papers.main(["all", "--data", "speech", "--at-once", "3", "--results", str(tmp_path)])
    with open(tmp_path / "rows.csv", newline="") as file:
        assert sorted(row["system"] for row in csv.DictReader(file)) == sorted(made) == sorted(FILES)


def test_a_row_is_made_once_and_an_ended_run_goes_on(tmp_path, monkeypatch):
    made = []

    def measure(name, values, args):
        made.append(name)
        if name == "cq-2020":
            raise KeyboardInterrupt
        return {"kbps": 9.0, "pesq": 3.0}, [{"clip": "a.wav", "pesq": 3.0}]

    monkeypatch.setattr(papers, "measure_published", measure)
    monkeypatch.setattr(papers, "measure_ours", measure)
    args = ["all", "--data", "speech", "--minutes", "5", "--results", str(tmp_path)]
    with pytest.raises(KeyboardInterrupt):
        papers.main(args)
    before = list(made)
    made.clear()
    with pytest.raises(KeyboardInterrupt):
        papers.main(args)
    assert before[-1] == "cq-2020" and made == ["cq-2020"]
    with open(tmp_path / "rows.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["system"] for row in rows] == before[:-1]
    assert rows[0]["command"] == f"make experiment NAME={before[0]} MINUTES=5 DATA=folder"
