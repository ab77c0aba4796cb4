"""Install the wheel in empty environments and run the tests of coding there: `make wheel-test`.

Every Python from 3.11 on that is found gets two environments: with the lowest and with the newest versions of the
declared dependencies. The tests are those of coding, which need no JAX; they run outside this folder, so that they
import what is installed. Sizes are those of the installed files, without compiled caches (*.pyc).
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESOLUTIONS = {"lowest": "lowest-direct", "newest": "highest"}
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
TESTS = (
    "audio/test_reader.py audio/test_writer.py bitstream/test_bit_counts.py bitstream/test_packing.py "
    "bitstream/test_range_coder.py bitstream/test_vector_reader.py cli dsp/test_audio_file.py dsp/test_lpc.py "
    "dsp/test_lsf.py light/speech/test_vectors.py live/test_released.py test_bad_input.py test_output.py "
    "test_vectors.py"
).split()
TRAINING = ("cli/test_export.py", "cli/test_program.py", "cli/test_training.py")  # tests that need other extras


def pythons() -> dict[str, str]:
    """Return the interpreters that are found, by version: in the path, or installed by pyenv."""
    found = {}
    for version in VERSIONS:
        others = sorted(map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))
        for path in filter(None, [shutil.which(f"python{version}"), *others]):
            if subprocess.run([path, "-c", ""], capture_output=True).returncode == 0:
                found.setdefault(version, path)
    return found


def uv(*arguments: object) -> None:
    """Run uv."""
    subprocess.run([sys.executable, "-m", "uv", "--quiet", *map(str, arguments)], check=True)


def check(python: str, resolution: str, wheel: Path, folder: Path) -> tuple[str, bool]:
    """Install the wheel and run the tests; return a line of results, and whether all passed."""
    binaries = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    uv("venv", "--clear", "--python", python, folder / "environment")
    install = "pip", "install", "--python", binaries / "python"
    uv(*install, "--resolution", resolution, "-r", ROOT / "pyproject.toml")
    uv(*install, "--no-deps", wheel)
    size = sum(p.stat().st_size for p in (folder / "environment").rglob("*") if p.is_file() and not p.is_symlink())
    uv(*install, "pytest>=8.3", "hypothesis>=6.120")
    shutil.copytree(ROOT / "tests", folder / "tests", dirs_exist_ok=True)
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (folder / "pyproject.toml").write_text(settings, encoding="utf-8")
    command = [binaries / "pytest", "-q", "-k", "not jax", *(f"tests/{name}" for name in TESTS)]
    command += [f"--ignore=tests/{name}" for name in TRAINING]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr)
    return f"{size / 1e6:.0f} MB, {(done.stdout.splitlines() or ['no output'])[-1]}", not done.returncode


def environment() -> dict[str, str]:
    """Return the environment of the tests, in which this folder is not importable."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"OMP_NUM_THREADS": "1"}


def main() -> int:
    """Test all environments and print a line for each; return 1 if one failed."""
    passed = []
    with tempfile.TemporaryDirectory() as folder:
        uv("build", "--wheel", "--out-dir", folder, ROOT)
        (wheel,) = Path(folder).glob("*.whl")
        for version, python in pythons().items():
            for name, resolution in RESOLUTIONS.items():
                line, good = check(python, resolution, wheel, Path(folder))
                print(f"Python {version}, {name} dependencies: {line}", flush=True)
                passed.append(good)
    return int(not passed or not all(passed))


if __name__ == "__main__":
    sys.exit(main())
