"""Sweeps: jobs give the same rows on every engine, and none runs twice."""

import argparse
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the curves need it")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import ablations
import scale
import sweep
from sweep import Job, run_job, run_jobs

from lpcnet_cq.evaluation.tables import read_rows


@pytest.fixture
def trained(monkeypatch):
    """Return the folders of trainings; nothing is trained, and the score of a codec is its rate."""
    folders = []

    def train(config, folder, quiet):
        folders.append(folder)
        folder.mkdir(parents=True)
        return folder / "weights.safetensors"

    def evaluate(codec, clips, rate_bps, folder, limit_s):
        return 2 * [{"seconds": 2.0, "kbps": rate_bps / 1000, "pesq": 4.0, "lsf_bits": 2600, "gain_bits": 800}]

    monkeypatch.setattr(sweep, "train", train)
    monkeypatch.setattr(sweep, "evaluate", evaluate)
    monkeypatch.setattr(sweep, "Codec", lambda path: path)
    monkeypatch.setattr(sweep, "held_out", lambda data: [])
    return folders


def engine(*arguments):
    parser = argparse.ArgumentParser()
    sweep.add_engine(parser)
    return parser.parse_args(arguments)


def test_a_job_writes_its_rows_and_is_not_run_again(trained, tmp_path):
    config = scale.PRESETS["tiny"]
    job = Job((("variant", "whole"), ("steps", 6)), tmp_path / "job", (9000, 12000), "d", config, parts=("lsf",))
    rows = run_job(job)
    assert [(row["variant"], row["steps"], row["kbps_asked"], row["kbps"]) for row in rows] == [
        ("whole", 6, 9, 9),
        ("whole", 6, 12, 12),
    ]
    assert rows[0]["lsf_kbps"] == 1.3 and "gain_kbps" not in rows[0]
    assert run_job(job) == rows and trained == [tmp_path / "job"]


def test_a_scale_trains_one_model_for_all_rates_and_one_for_each(trained, tmp_path):
    out = tmp_path / "scale"
    scale.main(["--rates", "9k", "24k", "--steps", "5", "--data", str(tmp_path), "--out", str(out)])
    rows = read_rows(out / "rows.csv", ["model"])
    assert [(row["model"], row["kbps_asked"]) for row in rows] == [
        ("one for all", 9),
        ("one for all", 24),
        ("one per rate", 9),
        ("one per rate", 24),
    ]
    assert [folder.name for folder in trained] == ["trained-9000-24000", "trained-9000-9000", "trained-24000-24000"]
    assert (out / "curves.png").stat().st_size > 1000


def test_other_processes_give_the_rows_of_this_one(trained, tmp_path):
    jobs = [Job((("model", str(i)),), tmp_path / str(i), (9000,), "d", scale.PRESETS["tiny"]) for i in range(3)]
    here = run_jobs(jobs, engine())
    assert run_jobs(jobs, engine("--jobs", "2")) == here and len(here) == len(trained) == 3


def test_a_dry_run_prints_the_slurm_array(trained, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("SUBMITIT_LOG_LEVEL", "NOCONFIG")  # else it closes the handlers of other loggers
    pytest.importorskip("submitit", reason="needs the extra `cluster`")
    arguments = ["--rates", "9k", "12k", "--steps", "5", "--seeds", "0", "1", "--data", str(tmp_path)]
    arguments += ["--out", str(tmp_path / "scale"), "--engine", "submitit", "--dry-run", "--jobs", "4", "--gpus", "1"]
    scale.main(arguments)
    said = capsys.readouterr().out
    for line in ("--array=0-5%4", "--gpus-per-node=1", "--cpus-per-task=2", "--time=1440"):
        assert f"#SBATCH {line}" in said
    assert f"export PYTHONPATH={Path(sweep.__file__).parent.absolute()}" in said  # where jobs find their functions
    assert f"task 5: one per rate, seed 1, in {tmp_path / 'scale' / 'trained-12000-12000-seed-1'}" in said
    assert trained == [] and not (tmp_path / "scale").exists()


def test_a_dry_run_is_one_of_slurm(tmp_path):
    with pytest.raises(SystemExit, match="--dry-run prints the Slurm array of --engine submitit, --engine is ray"):
        run_jobs([], engine("--engine", "ray", "--dry-run"))


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    job = Job((), tmp_path / "job", (9000,), "d")
    with pytest.raises(
        SystemExit, match="needs the package `submitit`; `pip install 'lpcnet-cq\\[cluster\\]'` installs"
    ):
        run_jobs([job], engine("--engine", "submitit"))


def test_ablations_differ_in_one_setting_each(tmp_path):
    args = argparse.Namespace(data="d", steps=3, out=tmp_path)
    whole, frozen = (ablations.job_of(name, args) for name in ("whole", "LSF codebook frozen"))
    assert frozen.config.frozen == ("lsf",) and whole.config.frozen == () and whole.config.steps == 3
    assert whole.labels == (("variant", "whole"), ("steps", 3))
