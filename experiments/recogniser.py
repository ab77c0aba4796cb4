"""A small speech recogniser: log-mel features to letters, by convolutions and a recurrent layer each way, with CTC.

Made to be pruned, and to judge codecs: how many letters of decoded speech it still reads (`Judge`). It is no part of
the codec. Letters: B utterances, T frames of 10 ms, S steps of 40 ms, H units, V = 29 labels.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from transcripts import ALPHABET, BANDS, BUCKETS, Utterance, features, fill, plain

from lpcnet_cq.checkpoint.weights import flatten, read_tensors, unflatten, write_tensors
from lpcnet_cq.nn.layers import Block, CausalConv, run_all, start_all

H = 128
STRIDE = 4  # frames per step
LOOK_AHEAD = 6  # steps by which convolutions, which look back only, run ahead


class GRU(nnx.Module):
    """Run over time with gates that forget.

    References
    ----------
    K. Cho et al. (2014), arXiv 1406.1078, eqs. 5-8; the reset gate behind the product, so that there is only one.
    """

    def __init__(self, cin: int, H: int, *, rngs: nnx.Rngs):
        self.inputs = nnx.Param(jax.random.normal(rngs.params(), (cin, 3 * H)) / cin**0.5)
        self.recurrent = nnx.Param(jax.random.normal(rngs.params(), (H, 3 * H)) / H**0.5)
        self.bias = nnx.Param(jnp.zeros(3 * H))

    def __call__(self, x: jax.Array, alive: jax.Array, reverse: bool) -> jax.Array:
        """Return the states (B, S, H) on x (B, S, cin); where `alive` (B, S, 1) is 0, the state is 0."""
        u = jnp.swapaxes(x @ self.inputs[...] + self.bias[...], 0, 1)
        U = self.recurrent[...]

        def step(h, of):
            u, alive = of
            uz, ur, un = jnp.split(u, 3, axis=-1)
            vz, vr, vn = jnp.split(h @ U, 3, axis=-1)
            z = jax.nn.sigmoid(uz + vz)
            h = (z * h + (1 - z) * jnp.tanh(un + jax.nn.sigmoid(ur + vr) * vn)) * alive
            return h, h

        start = jnp.zeros((x.shape[0], U.shape[0]))
        _, h = jax.lax.scan(step, start, (u, jnp.swapaxes(alive, 0, 1)), reverse=reverse)
        return jnp.swapaxes(h, 0, 1)


class Recogniser(nnx.Module):
    """Give the label of every step, as logits."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.front = nnx.List(
            [CausalConv(BANDS, H, 2 * STRIDE, stride=STRIDE, rngs=rngs)]
            + [Block(H, 5, dilation, rngs=rngs) for dilation in (1, 2)]
        )
        self.forward = GRU(H, H, rngs=rngs)
        self.backward = GRU(H, H, rngs=rngs)
        self.labels = CausalConv(2 * H, 1 + len(ALPHABET), 1, rngs=rngs)

    def __call__(self, x: jax.Array, n_frames: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return logits (B, S, V) on features x (B, T, F), and a mask (B, S) that is 1 behind the last step."""
        B, T, _ = x.shape
        x = jnp.pad(x[:, : T // STRIDE * STRIDE], ((0, 0), (0, LOOK_AHEAD * STRIDE), (0, 0)))
        h = run_all(self.front, start_all(self.front, B), x)[1][:, LOOK_AHEAD:]
        past = jnp.arange(h.shape[1])[None] >= -(-n_frames // STRIDE)[:, None]
        alive = jnp.where(past, 0.0, 1.0)
        ways = self.forward(h, alive[..., None], False), self.backward(h, alive[..., None], True)
        h = jnp.concatenate(ways, axis=-1)
        return self.labels(h[:, :0], h)[1], 1 - alive


def letters(logits: np.ndarray) -> str:
    """Read logits (S, V): the best label of every step, without repetitions and blanks.

    >>> letters(np.eye(29)[[0, 3, 3, 0, 3, 2]])
    'BBA'
    """
    best = np.argmax(logits, axis=-1)
    best = best[np.diff(best, prepend=0) != 0]
    return "".join(ALPHABET[i - 1] for i in best if i)


def edits(a: Sequence, b: Sequence) -> int:
    """Return the least number of insertions, deletions and substitutions that turn a into b (Levenshtein, 1966).

    >>> edits("KITTEN", "SITTING")
    3
    """
    row = np.arange(len(b) + 1)
    for i, of in enumerate(a, 1):
        changed = row[:-1] + np.array([of != other for other in b], int)
        best = np.minimum(changed, row[1:] + 1)
        steps = np.arange(1, len(b) + 1)
        row = np.concatenate([[i], np.minimum.accumulate(np.minimum(best - steps, i)) + steps])
    return int(row[-1])


class Judge:
    """Read speech by the weights of a trained recogniser."""

    def __init__(self, path: Path):
        tensors, metadata = read_tensors(path)
        graph, params = nnx.split(nnx.eval_shape(lambda: Recogniser(rngs=nnx.Rngs(0))), nnx.Param)
        nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, unflatten(tensors)))
        self.notes = json.loads(metadata["notes"])
        self._run = jax.jit(lambda x, n: nnx.merge(graph, params)(x, n)[0])

    def read(self, frames: Sequence[np.ndarray]) -> list[str]:
        """Return what is said in utterances, each given as features (T, F)."""
        texts = []
        for of in frames:
            T = next((T for T in BUCKETS if len(of) <= T), -(-len(of) // 400) * 400)
            x, n = fill([of], T)
            texts.append(letters(np.asarray(self._run(x, n))[0, : -(-int(n[0]) // STRIDE)]))
        return texts

    def error_rate(self, x: np.ndarray, text: str) -> float:
        """Return the share of a text's letters that are wrong in what is read of x (n,), at 16 kHz."""
        return edits(self.read([features(x)])[0], plain(text)) / len(plain(text))


def error_counts(judge: Judge, frames: Sequence[np.ndarray], utterances: Sequence[Utterance]) -> np.ndarray:
    """Return wrong letters and letters of every utterance, (n, 2)."""
    said = [plain(of.text) for of in utterances]
    return np.array([(edits(read, text), len(text)) for read, text in zip(judge.read(frames), said, strict=True)])


def save(path: Path, params: nnx.State, notes: dict) -> None:
    """Save a recogniser's weights."""
    write_tensors(path, flatten(nnx.to_pure_dict(params)), {"notes": json.dumps(notes)})
