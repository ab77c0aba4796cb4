"""The recogniser of `experiments/`: letters against judges of their own, layers against a loop, training in small."""

import csv
import doctest
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from lpcnet_cq.pruning.input_moments import input_moments

pytest.importorskip("optax", reason="training needs it")
pytest.importorskip("rapidfuzz", reason="letter error rates need it")
sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))

import recognise
import recogniser
import transcripts
from transcripts import BANDS, Batches, open_transcripts, spell

TEXTS = st.text(alphabet=transcripts.ALPHABET, max_size=12)


@pytest.mark.parametrize("module", [recogniser, transcripts, recognise], ids=lambda module: module.__name__)
def test_examples(module):
    assert doctest.testmod(module).failed == 0


@given(TEXTS, st.integers(1, 3))
def test_letters_are_read_back_through_repetitions_and_blanks(text, times):
    steps = [label for of in spell(text) for label in [of] * times + [0]]
    logits = np.eye(1 + len(transcripts.ALPHABET))[np.array(steps, int)]
    assert recogniser.letters(logits) == transcripts.plain(text) == " ".join(text.split())


def test_features_see_pitch_and_not_level():
    time = np.arange(16000) / transcripts.RATE_HZ
    hiss = 0.02 * np.random.default_rng(0).standard_normal(16000)
    low, high = (0.1 * np.sin(2 * np.pi * f_hz * time * (1 + 0.1 * time)) + hiss for f_hz in (300, 3000))
    frames = transcripts.features(low)
    assert frames.shape == (1 + (16000 - 400) // 160, BANDS) and np.std(frames) == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(transcripts.features(5 * low), frames, atol=0.1)
    bands = [np.argmax(transcripts.features(x).std(axis=0)) for x in (low, high)]
    assert bands[0] + 10 < bands[1]
    assert transcripts.features(np.zeros(100)).shape == (1, BANDS)


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


@pytest.mark.parametrize("reverse", [False, True])
def test_gru_follows_its_equations_within_each_utterance(reverse):
    gru = recogniser.GRU(3, 4, reverse=reverse, rngs=nnx.Rngs(0))
    x, lengths = np.random.default_rng(0).standard_normal((2, 6, 3)), [6, 4]
    run = lambda gru: gru(jnp.float32(x), jnp.array(lengths))  # noqa: E731
    found, moments = run(gru), input_moments(run, gru)

    kernels = (gru.cell.dense_i.kernel[...], gru.cell.dense_h.kernel[...])
    W, U = (np.asarray(kernel, float).reshape(-1, 3, 4).swapaxes(0, 1) for kernel in kernels)
    expected, before = np.zeros((2, 6, 4)), np.zeros((2, 6, 4))
    for b, n in enumerate(lengths):
        h = np.zeros(4)
        for t in range(n)[:: -1 if reverse else 1]:
            before[b, t] = h
            r, z = (sigmoid(x[b, t] @ W[k] + h @ U[k]) for k in (0, 1))
            h = z * h + (1 - z) * np.tanh(x[b, t] @ W[2] + r * (h @ U[2]))
            expected[b, t] = h
        if not reverse and n < 6:
            before[b, n] = h  # the first step after an utterance
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for name, rows in (("dense_i", x), ("dense_h", before)):
        rows = rows.reshape(12, -1)
        np.testing.assert_allclose(moments[f"cell/{name}/kernel"], rows.T @ rows / 12, atol=1e-5)


def test_what_lies_behind_an_utterance_does_not_change_it():
    model = recogniser.Recogniser(rngs=nnx.Rngs(0))
    x = jnp.float32(np.random.default_rng(0).standard_normal((1, 160, BANDS)))
    short, _ = model(x[:, :80], jnp.array([80]))
    long, past = model(jnp.concatenate([x[:, :80], jnp.zeros((1, 80, BANDS))], axis=1), jnp.array([80]))
    np.testing.assert_allclose(long[:, :20], short, atol=1e-4)
    assert past[0].tolist() == [0] * 20 + [1] * 20


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, vowel):
    """Return a folder of pairs of vowels, called AE and EA."""
    folder = tmp_path_factory.mktemp("spoken")
    rows = []
    for i in range(24):
        vowels = [vowel(100 + 7 * i, of, seconds=0.5) for of in ((700, 1200, 2600), (300, 2300, 3000))]
        name = f"speech/s{i // 2}-{i}.wav"
        (folder / "speech").mkdir(exist_ok=True)
        soundfile.write(folder / name, np.concatenate(vowels[:: (1, -1)[i % 2]]), 16000)
        split = "dev" if i >= 22 else "train"
        rows.append({"path": name, "split": split, "speaker": f"s{i // 2}", "transcript": ("Ae", "ea")[i % 2]})
    with open(folder / "index.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_no_speaker_is_in_two_parts(corpus):
    parts = open_transcripts(corpus)
    speakers = [{of.clip.speaker for of in part} for part in parts.values()]
    assert [len(part) for part in parts.values()] == [20, 2, 2]
    assert not speakers[0] & speakers[1] and not speakers[2] & (speakers[0] | speakers[1])


def test_batches_hang_on_seed_and_step_alone(corpus):
    parts = open_transcripts(corpus)["train"]
    frames = transcripts.read_features(parts)
    make = lambda seed: Batches(frames, [of.text for of in parts], seed)  # noqa: E731
    one, again, other = make(1).batch(5), make(1).batch(5), make(2).batch(5)
    assert all(np.array_equal(one[k], again[k]) for k in one) and not np.array_equal(one["x"], other["x"])
    assert one["x"].shape == (16, 400, BANDS) and one["labels"].shape[0] == 16
    for x, n, labels in zip(one["x"], one["n_frames"], one["labels"], strict=True):
        assert not x[n:].any() and 85 < n < 115
        assert labels[:2].tolist() in (spell("AE").tolist(), spell("EA").tolist()) and not labels[2:].any()


def test_it_learns_and_stays_sparse_and_judges(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(transcripts, "BUCKETS", {120: 8})
    recognise.material.cache_clear()
    r = recognise.Recipe(str(corpus), steps=80, warmup_steps=5, method="gradual", sparsity=0.5, learning_rate=1e-2)
    notes = recognise.train(r, tmp_path / "r.safetensors")
    assert notes["dev"][1] == 4 and notes["dev"][0] <= 1 and notes["held"][0] <= 1
    judge = recogniser.Judge(tmp_path / "r.safetensors")
    parts = open_transcripts(corpus)
    (x, fs), text = soundfile.read(parts["dev"][0].clip.path), parts["dev"][0].text
    assert fs == transcripts.RATE_HZ
    noise = np.random.default_rng(0).standard_normal(len(x))
    assert judge.error_rate(x, text) < judge.error_rate(0.1 * noise, text)
    weights = [p for p in jax.tree.leaves(recogniser.read_tensors(tmp_path / "r.safetensors")[0]) if p.ndim > 1]
    assert all(np.mean(p == 0) == pytest.approx(0.5, abs=0.01) for p in weights)
