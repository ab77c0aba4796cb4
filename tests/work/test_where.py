"""Where work runs."""

import subprocess
import sys
from pathlib import Path

from lpcnet_cq.work.engine import Here
from lpcnet_cq.work.processes import Processes
from lpcnet_cq.work.where import HERE, Where


def test_one_job_needs_no_other_process():
    assert isinstance(HERE.engine(str), Here) and isinstance(Where(1).engine(str), Here)
    engine = Where(3).engine(str)
    assert isinstance(engine, Processes) and engine.slots == 3


def test_packages_of_clusters_are_imported_by_their_options_only():
    modules = (
        "lpcnet_cq.cli.folders",
        "lpcnet_cq.cli.launch",
        "lpcnet_cq.work.manifest",
        "lpcnet_cq.work.scores",
        "sweep",
    )
    code = f"import sys; sys.path.append('experiments'); import {', '.join(modules)}; print(*sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert set(modules) <= loaded and loaded.isdisjoint({"ray", "submitit", "pyarrow"})
