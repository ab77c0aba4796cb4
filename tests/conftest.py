"""What holds for every test: JAX is strict and stays on the CPU, hypothesis is repeatable.

The settings are environment variables, read by JAX when it is first imported: tests of `dsp` alone need no
JAX and pay nothing, and command lines started by a test are as strict as the test itself. Ranks may be promoted:
layers add biases (C,) to signals (B, T, C) everywhere, by NumPy's rule.
"""

import contextlib
import ctypes
import fcntl
import gc
import importlib.util
import os
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("MPLBACKEND", "agg")
# Far less is run than compiled: quick compilation to slower code takes a third of the time.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# A quarter of the memory of a compilation is saved by this; other versions of XLA may not know the flag and would end.
if version("jaxlib").startswith("0.10."):
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")
# Compiled code is kept between runs, away from what the user's own programs have compiled.
_cache = Path(tempfile.gettempdir()) / f"lpcnet_cq-tests-{os.getuid() if hasattr(os, 'getuid') else 0}"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_cache / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("LPCNET_CQ_CACHE", str(_cache / "data"))

import numpy as np  # noqa: E402  (after the environment, which plugins may read)
import pytest  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

# Derandomised: a failure seen once is seen again. Deadlines would assert speed.
settings.register_profile(
    "ci", derandomize=True, deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


# JAX makes many objects that live on while it traces: with the default of 700 a tenth of the time goes into the search
# for garbage among them.
gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Begin with the longest tests, which also take most memory: the short ones at the end keep all workers busy."""
    items.sort(key=lambda item: "little_memory" not in getattr(item, "fixturenames", ()))


def pytest_collection_finish():
    """Leave modules and tests out of all searches for garbage."""
    gc.collect()
    gc.freeze()


MOST_BYTES = 1_600_000_000  # of memory, with which another test begins
FEW_BYTES = 700_000_000  # the same for files that compile whole trainings, which takes a gigabyte


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown():
    """Give back the memory of compiled code, which would add up to gigabytes over all tests."""
    keep_below(MOST_BYTES)


@pytest.fixture(scope="module")
def little_memory():
    """Begin a file of tests with little memory, and before all others; return a function that gives memory back."""
    keep_below(FEW_BYTES)
    return lambda: keep_below(FEW_BYTES)


def keep_below(n_bytes):
    """Give memory back if this process has more: what was freed, and if that is not enough, compiled code.

    If most of it was left when this was last done, it would be in vain again.
    """
    if "jax" not in sys.modules:
        return
    for forget in (lambda: None, sys.modules["jax"].clear_caches, gc.collect):
        if resident_bytes() <= max(n_bytes, _left[-1] * 5 // 4):
            return
        forget()
        return_freed_memory()
    _left.append(resident_bytes())


_left = [0]


def resident_bytes():
    """Return the memory of this process; 0 where it is not known, so that nothing is forgotten there."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def return_freed_memory():
    """Give freed memory back to the system, where the C library can be asked to: glibc keeps it otherwise."""
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """Return a function that returns a folder by its name, and fills it if no process of the session has done so.

    Tests must not change the folder: those of the other processes read it.
    """
    base = tmp_path_factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name, make):
        folder, done = base / name, base / f"{name}.done"
        with open(base / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made


def imported(name):
    """Import a module or package of this folder that holds no tests; `name` is its file."""
    path = Path(__file__).parent / name
    package = path.parent.name if path.stem == "__init__" else None
    folders = [str(path.parent)] if package else None
    spec = importlib.util.spec_from_file_location(package or path.stem, path, submodule_search_locations=folders)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def second_decoder():
    """Return the package `second_decoder`: a decoder that shares no code with the package."""
    return imported("second_decoder/__init__.py")


@pytest.fixture(scope="session")
def vector_maker():
    """Return the module `vectors/make.py`, which wrote the conformance vectors."""
    return imported("vectors/make.py")


@pytest.fixture(scope="session")
def audio_files():
    """Return the module `dsp/audio_files.py`, which makes audio files in memory."""
    return imported("dsp/audio_files.py")


@pytest.fixture(scope="session")
def vowel():
    """Return a maker of pulses, slowly gliding and swelling, through three resonances: float32 (n,)."""
    from scipy.signal import lfilter

    def make(f0_hz=130, formants_hz=(500, 1500, 2500), seconds=1.0, sample_rate_hz=16000):
        random = np.random.default_rng(int(f0_hz))
        time = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
        phase = np.cumsum(f0_hz * (1 + 0.1 * np.sin(2 * np.pi * 1.5 * time))) / sample_rate_hz
        x = np.diff(np.floor(phase), prepend=0) + 0.02 * random.standard_normal(len(time))
        for f_hz in formants_hz:
            radius = np.exp(-np.pi * 90 / sample_rate_hz)
            x = lfilter([1], [1, -2 * radius * np.cos(2 * np.pi * f_hz / sample_rate_hz), radius**2], x)
        x *= 0.6 + 0.4 * np.sin(2 * np.pi * 3 * time)
        return (0.3 * x / np.abs(x).max()).astype(np.float32)

    return make


# Small models, each made once: those of the presets `tiny` and `audio-tiny`. Tests must not change them in place.


def untrained(preset):
    """Return a preset's model as it is before training: its graph and its parameters."""
    import jax
    from flax import nnx

    from lpcnet_cq.music.model import Model as MusicModel
    from lpcnet_cq.speech.model import Model as SpeechModel
    from lpcnet_cq.training.presets import PRESETS

    make = MusicModel if preset.startswith("audio") else SpeechModel
    return jax.jit(lambda: nnx.split(make(PRESETS[preset].codec, rngs=nnx.Rngs(0)), nnx.Param))()


@pytest.fixture(scope="session")
def speech_model():
    """Return the smallest speech model before training: its graph and its parameters."""
    return untrained("tiny")


@pytest.fixture(scope="session")
def music_model():
    """Return the smallest music model before training: its graph and its parameters."""
    return untrained("audio-tiny")


@pytest.fixture(scope="session")
def speech_integers(speech_model):
    """Return the integer entropy model of `speech_model`, as a weights file holds it."""
    import jax
    from flax import nnx

    from lpcnet_cq.speech.freeze import freeze
    from lpcnet_cq.training.presets import PRESETS

    floats = jax.tree.map(np.asarray, nnx.to_pure_dict(speech_model[1]))
    return freeze(floats["entropy"], PRESETS["tiny"].codec)


@pytest.fixture(scope="session")
def speech_weights(speech_model, speech_integers, tmp_path_factory):
    """Return the weights file of `speech_model`, for 5 to 60 kbps."""
    from lpcnet_cq.checkpoint.training_files import save_weights
    from lpcnet_cq.training.presets import PRESETS

    path = tmp_path_factory.mktemp("speech") / "tiny.safetensors"
    rates_bps = list(range(60000, 9000, -3000))
    notes = {"steps": [0, 17], "mean_rates_bps": rates_bps, "supported_bps": [5000, 60000]}
    save_weights(path, speech_model[1], speech_integers, PRESETS["tiny"].codec, notes)
    return path


@pytest.fixture(scope="session")
def speech_codec(speech_weights):
    """Return the codec of `speech_weights`; what it decodes is mostly noise."""
    from lpcnet_cq.codec import Codec

    return Codec(speech_weights)


@pytest.fixture(scope="session")
def integers():
    """Return a function that reads the integers of live packets, one after the other."""
    from lpcnet_cq.bitstream import packet

    def read(codec, packets):
        pasts, parts = None, []
        for data in packets:
            pasts, n, ends = codec._parts.reader.read(pasts, data, 0, 1, 1)
            assert ends.tolist() == [[len(data)]]
            parts.append(n)
        return packet.join(codec._parts.entropy, parts)

    return read


@pytest.fixture(scope="session")
def random_entropy():
    """Return a float entropy model for speech of about three bits an integer, and its nested values, none zero."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    from lpcnet_cq.speech.entropy import EntropyModel
    from lpcnet_cq.training.presets import PRESETS

    config = PRESETS["tiny"].codec
    graph, params = nnx.split(nnx.eval_shape(lambda: EntropyModel(config, rngs=nnx.Rngs(0))), nnx.Param)
    random = np.random.default_rng(2)
    values = jax.tree.map(
        lambda p: 0.7 * random.standard_normal(p.shape) / max(1, p.shape[0]) ** 0.5, nnx.to_pure_dict(params)
    )
    for part in values.values():
        part["triangular"] = {k: 0.2 * v for k, v in part["triangular"].items()}
    values["side"]["skip"] = 0.3 * values["side"]["skip"]
    values = jax.tree.map(np.float32, values)
    nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, values))
    return nnx.merge(graph, params), values


@pytest.fixture(scope="session")
def perturbed(music_model):
    """Return the smallest music model with random changes to every parameter, and its nested values."""
    import jax
    import jax.numpy as jnp
    from flax import nnx

    graph, params = music_model
    random = np.random.default_rng(1)
    params = jax.tree.map(lambda p: p + 0.1 * jnp.asarray(random.standard_normal(p.shape), jnp.float32), params)
    return nnx.merge(graph, params), jax.tree.map(np.asarray, nnx.to_pure_dict(params))


@pytest.fixture(scope="session")
def plucked():
    """Return plucked chords in stereo, 0.5 s at 44.1 kHz, float32 (n, 2)."""
    sample_rate_hz = 44100
    time = np.arange(sample_rate_hz // 2) / sample_rate_hz
    decay = np.exp(-8 * (time % 0.25))
    left, right = (sum(np.sin(2 * np.pi * f * k * time) / k for k in range(1, 6)) * decay for f in (330, 440))
    x = np.stack([left + 0.5 * right, right + 0.2 * left], axis=1)
    return (0.4 * x / np.abs(x).max()).astype(np.float32)
