"""The codec in TypeScript passes its own tests: `web/` reads the conformance vectors with a decoder of its own."""

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[1] / "web"
INSTALLED = shutil.which("npm") is not None and (WEB / "node_modules").is_dir()

needs_node = pytest.mark.skipif(not INSTALLED, reason="install Node.js 20 or newer, then run `npm ci` in web/")


@needs_node
def test_the_tests_in_typescript_pass():
    done = subprocess.run(["npm", "test"], cwd=WEB, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "# pass 0" not in done.stdout
