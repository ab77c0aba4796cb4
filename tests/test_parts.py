"""A codec in any process: pickled, copied, in threads, after forks, under other settings of JAX, without a cache."""

import copy
import hashlib
import os
import pickle
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import lpcnet_cq
from lpcnet_cq.checkpoint.weights import FOLDER
from lpcnet_cq.codec import Codec

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def jax_codec():
    return lpcnet_cq.load(backend="jax")


@pytest.fixture(scope="module", params=["numpy", "jax"])
def codec(request):
    return request.getfixturevalue("jax_codec") if request.param == "jax" else lpcnet_cq.load(backend="numpy")


@pytest.fixture(scope="module")
def x(vowel):
    return vowel(seconds=0.5)


@pytest.fixture(scope="module")
def digest(codec, x):
    """Return the hash of the bytes that a file and a live stream have in this process."""
    return digest_of(codec, x)


def digest_of(codec, x):
    encoder = codec.encoder()
    live = encoder.push(x[: 5 * encoder.frame_size])
    return hashlib.sha256(b"".join([codec.encode(x, 16000), *live])).hexdigest()


def test_a_pickled_codec_codes_as_before(codec, x, digest):
    data = pickle.dumps(codec)
    assert len(data) < 1000, "the name of the weights, not the weights"
    assert digest_of(pickle.loads(data), x) == digest


def test_pickles_notice_weights_that_changed_or_went(tmp_path):
    path = tmp_path / "own.safetensors"
    shutil.copy(FOLDER / "cq.safetensors", path)
    data = pickle.dumps(Codec(path))
    assert pickle.loads(data).name == "own"
    shutil.copy(FOLDER / "cq-sparse.safetensors", path)
    with pytest.raises(ValueError, match="have changed"):
        pickle.loads(data)
    path.unlink()
    with pytest.raises(ValueError, match="no weights"):
        pickle.loads(data)


def test_a_live_stream_goes_on_where_its_pickle_is_loaded(codec, x):
    first, others = x[:1000], x[1000 : 6 * 320]
    encoder, decoder = codec.encoder(), codec.decoder()
    for data in encoder.push(first):
        decoder.push(data)
    for other in (copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))):
        moved_encoder, moved_decoder = other(encoder), other(decoder)
        rest = moved_encoder.push(others)
        y = [moved_decoder.push(data) for data in rest]
    expected = encoder.push(others)
    assert rest == expected
    np.testing.assert_array_equal(y, [decoder.push(data) for data in expected])


def test_copies_are_codecs(codec, x, digest):
    for other in (copy.copy(codec), copy.deepcopy(codec)):
        assert other is not codec and digest_of(other, x) == digest


def test_loading_again_reads_the_weights_again(tmp_path):
    (tmp_path / "run").mkdir()
    shutil.copy(FOLDER / "cq.safetensors", tmp_path / "run/weights.safetensors")
    first = lpcnet_cq.load(tmp_path / "run")
    shutil.copy(FOLDER / "cq-sparse.safetensors", tmp_path / "run/weights.safetensors")
    second = lpcnet_cq.load(tmp_path / "run")
    assert first is not second and first.sha256 != second.sha256


def test_threads_share_a_codec(codec, x, digest):
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: digest_of(codec, x), range(8))) == {digest}


SCRIPT = """
import hashlib, os, sys
import numpy as np
{before}
import lpcnet_cq
x = np.load(sys.argv[1])
def load():
    return lpcnet_cq.load(backend={backend!r})
def digest_of(codec):
    encoder = codec.encoder()
    live = encoder.push(x[: 5 * encoder.frame_size])
    return hashlib.sha256(b"".join([codec.encode(x, 16000), *live])).hexdigest()
{run}
"""


def run(tmp_path, x, backend, before="", after="print(digest_of(load()))", **environment):
    """Run a script in a process of its own, and return the lines it prints."""
    np.save(tmp_path / "x.npy", x)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(before=before, run=after, backend=backend))
    done = subprocess.run(
        [sys.executable, "-W", "error", script, tmp_path / "x.npy"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


SETTINGS = """
for settings in (
    {"jax_enable_x64": True, "jax_numpy_dtype_promotion": "strict", "jax_numpy_rank_promotion": "raise"},
    {"jax_enable_x64": False, "jax_numpy_dtype_promotion": "standard", "jax_numpy_rank_promotion": "allow"},
):
    for name, value in settings.items():
        jax.config.update(name, value)
    codec = load()
    print(digest_of(codec))
    codec.decode(codec.encode(x, 16000))
"""


def test_settings_of_jax_do_not_change_the_bytes(tmp_path, x, jax_codec):
    assert run(tmp_path, x, "jax", "import jax", SETTINGS) == 2 * [digest_of(jax_codec, x)]


def test_no_cache_folder_is_needed(tmp_path, x):
    """Nor a home; all code is compiled, quickly, to slower code."""
    (tmp_path / "file").write_text("")
    homeless = {"LPCNET_CQ_CACHE": "", "HOME": str(tmp_path / "file" / "below"), "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    after = "print(len(load().encoder(9000, mode='capped').push(x[:320])[0]) > 5)"
    assert run(tmp_path, x, "jax", "del os.environ['JAX_COMPILATION_CACHE_DIR']", after, **homeless) == ["True"]


FORK = """
import multiprocessing, warnings
warnings.simplefilter("ignore")  # JAX says so too
codec = load()
codec.encode(x[:320], 16000)
def work(make):
    try:
        return make(codec)
    except RuntimeError as error:
        return str(error)
def again(codec):
    return digest_of(load())
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(1) as pool:
        for make in (digest_of, again):
            print(pool.map_async(work, [make]).get(60))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_processes_code_with_numpy(tmp_path, x, codec, digest):
    """JAX has threads that a fork loses, and the codec says so."""
    lines = run(tmp_path, x, codec.backend, after=FORK)
    told = "the codec cannot run in a process that was forked after its use; start processes with the method `spawn`"
    assert lines == 2 * [repr([digest if codec.backend == "numpy" else told])]


SPAWN = """
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(digest_of, [load()])[0])
"""


def test_spawned_processes_code_with_a_codec_given_to_them(tmp_path, x, codec, digest):
    assert run(tmp_path, x, codec.backend, after=SPAWN) == [digest]
