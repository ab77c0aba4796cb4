"""What the package imports: the standard library, NumPy, SciPy and itself, and SciPy only in functions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "dsp").glob("*.py"))
ALLOWED = {*sys.stdlib_module_names, "numpy", "scipy", "dsp"}
# The command line reads other formats and draws, if these are installed; it says so if they are not.
OPTIONAL = {"_audio_libsndfile.py": {"soundfile"}, "picture.py": {"matplotlib"}}


def imported(tree):
    """Yield the name of every module imported, and whether it is when the file is."""
    at_once = {id(node) for node in tree.body}  # not those under TYPE_CHECKING or in functions
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)), "imports are absolute"
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in at_once) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module, id(node) in at_once
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            if isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, False


def test_there_is_something_to_walk():
    assert {"lpc.py", "lsf.py", "filters.py", "__init__.py"} <= {path.name for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_but_numpy_and_scipy(path):
    for name, at_once in imported(ast.parse(path.read_text(encoding="utf-8"))):
        package = name.partition(".")[0]
        assert package in ALLOWED or (package in OPTIONAL.get(path.name, ())), name
        assert not (at_once and package == "scipy"), f"{name} is slow: import it where it is used"


def modules_after(code):
    code = f"import sys; before = set(sys.modules); {code}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "name", ["dsp.lpc", "dsp.lsf", "dsp.analysis", "dsp.filters", "dsp.psychoacoustics", "dsp.audio_file"]
)
def test_importing_is_light(name):
    loaded = modules_after(f"import {name}")
    assert "dsp" in loaded and "numpy" in loaded
    assert loaded <= {*sys.stdlib_module_names, "numpy", "dsp"}


def test_the_package_itself_imports_nothing():
    assert "numpy" not in modules_after("import dsp")
