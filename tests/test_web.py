"""The codec in TypeScript passes its own tests: `web/` reads the conformance vectors with a decoder of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[1] / "web"
INSTALLED = shutil.which("npm") is not None and (WEB / "node_modules").is_dir()

needs_node = pytest.mark.skipif(not INSTALLED, reason="install Node.js 20 or newer, then run `npm ci` in web/")


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """Write the graphs of all weights for speech; return the folder."""
    from lpcnet_cq.export.write import onnx_files

    folder = tmp_path_factory.mktemp("graphs")
    for weights in ("cq", "cq3", "cq-sparse"):
        (folder / weights).mkdir()
        for name, content in onnx_files(weights).items():
            (folder / weights / name).write_bytes(content)
    return folder


@needs_node
def test_the_tests_in_typescript_pass(graphs):
    environment = os.environ | {"CQ_GRAPHS": str(graphs)}
    done = subprocess.run(["npm", "test"], cwd=WEB, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "# skipped 0" in done.stdout
