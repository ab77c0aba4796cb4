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
TESTS = sorted((ROOT / "tests").rglob("*.py"))
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
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    assert {node.name: code_lines(node) for node in functions if code_lines(node) > 40} == {}


def code_lines(function):
    """Count the lines of a function's body, its docstring aside."""
    first = function.body[0]
    return function.end_lineno - (first.end_lineno if ast.get_docstring(function) else first.lineno - 1)


def test_lines_of_code_are_counted():
    text = 'def f():\n    """One.\n\n    Two.\n    """\n    x = 1\n\n    return x\n'
    assert code_lines(ast.parse(text).body[0]) == 3
    assert code_lines(ast.parse("def f(\n    a,\n):\n    b = a\n    return b\n").body[0]) == 2


@pytest.mark.parametrize("path", SOURCES, ids=identity)
def test_sample_rate_is_no_scattered_constant(path):
    # Elsewhere than in FrameSpec such a number is a named fact of another standard, never a default.
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]).isupper()]
    named += [n for n in ast.walk(tree) if isinstance(n, ast.AnnAssign) and ast.unparse(n.target) == "sample_rate_hz"]
    allowed = {id(leaf) for n in named for leaf in ast.walk(n)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == 16000]
    assert [node.lineno for node in constants if id(node) not in allowed] == []


def test_no_machine_and_no_other_recording_than_the_samples_is_committed():
    files = committed_files()
    assert ROOT / "pyproject.toml" in files
    sounds = [path for path in files if path.suffix.lower() in {".flac", ".wav", ".ogg", ".mp3", ".opus"}]
    assert [path for path in sounds if path.parent != ROOT / "docs" / "samples"] == []  # these are free, and listed
    texts = [p for p in files if p.suffix in {".md", ".py", ".toml", ".json", ".csv", ""} and p.is_file()]
    for path in texts:
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
for name in ("cq", "audio"):
    codec = lpcnet_cq.load(name)
    codec.decode(codec.encode(np.zeros(800), 16000))
    codec.decoder().push(codec.encoder().push(np.zeros(codec.encoder().frame_size))[0])
"""
    done = in_fresh_python(code)
    assert done.returncode == 0, done.stderr


def test_jax_is_strict_in_tests():
    import jax
    import jax.numpy as jnp

    assert {d.platform for d in jax.devices()} == {"cpu"}
    with pytest.raises(ValueError, match="promotion"):
        jnp.ones(2, jnp.float32) + jnp.ones(2, jnp.int32)


@pytest.mark.parametrize("path", WEIGHTS, ids=identity)
def test_weights_are_described_by_a_model_card_with_their_hash(path):
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


CHECKS = ("assert_", "np.testing.", "pytest.raises", "pytest.warns", "pytest.fail")
BRANCHES = (ast.If, ast.While, ast.Match, ast.Try)  # `with suppress(...)` is the way to let a call be refused


def checks(node):
    """Say whether a syntax node is an assertion, or a call that makes one."""
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return isinstance(node, ast.Assert) or called.startswith(CHECKS)


def bare_return(node):
    return isinstance(node, ast.Return) and node.value is None


def returns(handler):
    """Say whether an exception's handler only returns something, which is for the caller to check."""
    return len(handler.body) == 1 and isinstance(handler.body[0], ast.Return) and not bare_return(handler.body[0])


def unreached_checks(tree):
    """Return the lines where checks may be skipped: those below a branch, `continue`, a bare `return`, `try`."""
    branches = [node for node in ast.walk(tree) if isinstance(node, BRANCHES)]
    names = ("body", "orelse", "handlers", "cases")
    arms = [arm for node in branches for name in names for arm in getattr(node, name, ())]
    found = [node.lineno for arm in arms for node in ast.walk(arm) if checks(node)]
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    found += [node.lineno for test in tests for node in ast.walk(test) if bare_return(node)]
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For) and any(map(checks, ast.walk(node)))]
    found += [node.lineno for loop in loops for node in ast.walk(loop) if isinstance(node, ast.Continue)]
    found += [handler.lineno for node in branches for handler in getattr(node, "handlers", []) if not returns(handler)]
    return sorted(set(found))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("def test_a():\n    assert f()\n", []),
        ("def test_a():\n    for x in y:\n        assert x\n", []),
        ("def test_a():\n    for x in y:\n        if x:\n            continue\n        assert x\n", [4]),
        ("def test_a():\n    if x:\n        assert y\n", [3]),
        ("def test_a():\n    if x:\n        y = 1\n    else:\n        with pytest.raises(E):\n            f()\n", [5]),
        ("def check(a):\n    while a:\n        np.testing.assert_allclose(a, b)\n", [3]),
        ("def test_a():\n    try:\n        x = f()\n    except E:\n        return\n    assert x\n", [4, 5]),
        ("def read():\n    try:\n        return f(), None\n    except E as e:\n        return None, str(e)\n", []),
        ("def test_a():\n    try:\n        x = f()\n    finally:\n        g()\n    assert x\n", []),
    ],
)
def test_checks_that_may_not_be_made_are_found(text, lines):
    assert unreached_checks(ast.parse(text)) == lines


@pytest.mark.parametrize("path", TESTS, ids=identity)
def test_every_check_of_a_test_is_made(path):
    assert unreached_checks(ast.parse(path.read_text(encoding="utf-8"))) == []


def functions_that_check(tree):
    """Return the names of the functions that make a check, themselves or by a function of their file."""
    functions = {node.name: list(ast.walk(node)) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    found = {name for name, nodes in functions.items() if any(map(checks, nodes))}
    for _ in functions:
        calling = {name for name, nodes in functions.items() if any(getattr(n, "id", "") in found for n in nodes)}
        found |= calling
    return found


@pytest.mark.parametrize("path", TESTS, ids=identity)
def test_every_test_checks_something(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tests = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name[:5] == "test_"}
    assert tests - functions_that_check(tree) == set()
