"""What is written beside the results of an experiment."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import report


def test_every_run_is_recorded_without_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/some/where/loss.py", "run", "/my/corpus", "--kbps", "9"])
    for _ in range(2):
        report.record_run(tmp_path / "new")
    runs = json.loads((tmp_path / "new" / "run.json").read_text())
    assert [run["command"] for run in runs] == 2 * ["loss.py run corpus --kbps 9"]
    assert {run["machine"] for run in runs} == {report.processor()} and report.processor()
    assert {run["commit"] for run in runs} == {report.commit()}
    assert all(run["seconds"] >= 0 for run in runs)


def test_results_have_a_page_and_a_record():
    """Each experiment is in the index, and has a folder with a page, its numbers, and what is known of the runs."""
    folders = [path for path in report.RESULTS.iterdir() if path.is_dir()]
    assert len(folders) > 10
    index = (report.RESULTS.parent / "README.md").read_text(encoding="utf-8")
    assert len(index.splitlines()) <= 120
    for folder in folders:
        assert (folder / "README.md").is_file(), folder.name
        runs = json.loads((folder / "run.json").read_text())
        assert f"(results/{folder.name}/" in index, folder.name
        assert all({"command", "commit", "machine", "seconds"} <= run.keys() for run in runs), folder.name
