"""The rules of the house that no other test looks after."""

import ast
import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(p for d in ("dsp", "lpcnet_cq") for p in (ROOT / d).rglob("*.py"))
WEIGHTS = sorted((ROOT / "lpcnet_cq" / "released").glob("*.safetensors"))


def committed_files():
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / line for line in done.stdout.splitlines()]


def identity(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=identity)
def test_a_file_is_one_block(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            code = node.end_lineno - node.body[0].lineno + 1
            if ast.get_docstring(node):
                code = node.end_lineno - node.body[0].end_lineno
            assert code <= 40, f"{node.name} has {code} lines"


@pytest.mark.parametrize("path", SOURCES, ids=identity)
def test_sample_rate_is_no_scattered_constant(path):
    # Elsewhere than in FrameSpec such a number is a named fact of another standard, never a default.
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]).isupper()]
    named += [
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "sample_rate_hz"
    ]
    allowed = {id(leaf) for n in named for leaf in ast.walk(n)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node.value == 16000:
            assert id(node) in allowed, f"line {node.lineno}"


def test_no_machine_and_no_recording_is_committed():
    for path in committed_files():
        assert path.suffix.lower() not in {".flac", ".ogg", ".mp3", ".opus"}, path
        if path.suffix in {".md", ".py", ".toml", ".json", ".csv", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            found = re.search(r"(?<![\w.~])/(root|home|work|opt)/[a-z]+", text)
            assert found is None, f"{path} names {found}"


def in_fresh_python(code):
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)


def test_command_line_starts_without_heavy_imports():
    done = in_fresh_python("import lpcnet_cq.cli, sys; print(*{m.partition('.')[0] for m in sys.modules})")
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "lpcnet_cq" in loaded
    assert loaded.isdisjoint({"jax", "flax", "numpy", "scipy", "soundfile", "matplotlib"})


def test_coding_needs_no_package_but_those_of_a_plain_install():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    plain, extras = project["dependencies"], project["optional-dependencies"]
    names = {re.split(r"[<>=~\[]", line)[0] for of in extras.values() for line in of} - {"optax"}  # Flax brings it
    assert "tqdm" in names and not any(line.startswith("tqdm") for line in plain)
    code = f"""
import sys
sys.modules |= dict.fromkeys({sorted(names)!r})  # as if they were not there
import numpy as np, lpcnet_cq
codec = lpcnet_cq.load()
codec.decode(codec.encode(np.zeros(800), 16000))
codec.decoder().push(codec.encoder().push(np.zeros(320)))
"""
    done = in_fresh_python(code)
    assert done.returncode == 0, done.stderr


def test_jax_is_strict_in_tests():
    import jax
    import jax.numpy as jnp

    assert {d.platform for d in jax.devices()} == {"cpu"}
    with pytest.raises(ValueError, match="promotion"):
        jnp.ones(2, jnp.float32) + jnp.ones(2, jnp.int32)


def test_weights_are_described_by_a_model_card_with_their_hash():
    for path in WEIGHTS:
        card = path.with_suffix(".md")
        assert card.is_file(), f"{path.name} has no model card"
        assert hashlib.sha256(path.read_bytes()).hexdigest() in card.read_text(encoding="utf-8")


def test_version_is_in_the_changelog_or_unreleased():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## (Unreleased|{re.escape(version)}\b)", changelog, re.MULTILINE)


def test_make_lists_its_targets():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True)
    listed = set(re.findall(r"^make (\w+)", done.stdout, re.MULTILINE))
    assert {"train", "evaluate", "bench", "test", "check", "clean", "help"} <= listed
