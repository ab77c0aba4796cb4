"""A small speech recogniser: log-mel features to letters, by convolutions and a bidirectional GRU, trained with CTC.

It serves for pruning experiments and for the letter error rate of decoded speech (`Judge`). It is no part of the codec.
Letters: B utterances, T frames of 10 ms, S steps of 40 ms, H units, V = 29 labels.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from rapidfuzz.distance import Levenshtein
from transcripts import ALPHABET, BANDS, BUCKETS, Utterance, features, fill, plain

from lpcnet_cq.checkpoint.weights import flatten, read_tensors, unflatten, write_tensors
from lpcnet_cq.nn.capture import sow_input
from lpcnet_cq.nn.layers import Block, CausalConv, run_all, start_all

H = 128
STRIDE = 4  # frames per step
LOOK_AHEAD = 6  # steps by which the input of the causal convolutions is advanced


class GRU(nnx.Module):
    """Run Flax's gated recurrent unit over time, in one direction.

    References
    ----------
    K. Cho et al. (2014), arXiv 1406.1078, eqs. 5-8; the reset gate acts behind the product with the state.
    """

    def __init__(self, cin: int, H: int, *, reverse: bool = False, rngs: nnx.Rngs):
        self.cell, self.reverse = nnx.GRUCell(cin, H, rngs=rngs), reverse

    def __call__(self, x: jax.Array, n_steps: jax.Array) -> jax.Array:
        """Return the states (B, S, H) for x (B, S, cin): 0 from step `n_steps` (B,) of each utterance on."""
        B, S, _ = x.shape
        run = nnx.RNN(self.cell, reverse=self.reverse, keep_order=True, rngs=False)
        start = jnp.zeros((B, self.cell.hidden_features))
        h = cast(jax.Array, run(x, seq_lengths=n_steps, initial_carry=start))
        h = jnp.where((jnp.arange(S) < n_steps[:, None])[..., None], h, 0.0)
        zero = jnp.zeros_like(h[:, :1])
        before = jnp.concatenate([h[:, 1:], zero] if self.reverse else [zero, h[:, :-1]], axis=1)
        sow_input(self.cell.dense_i, "kernel", lambda: x)
        sow_input(self.cell.dense_h, "kernel", lambda: before)  # layers within the scan of `nnx.RNN` cannot be captured
        return h


class Recogniser(nnx.Module):
    """Map features to logits of the labels at every step."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.front = nnx.List(
            [CausalConv(BANDS, H, 2 * STRIDE, stride=STRIDE, rngs=rngs)]
            + [Block(H, 5, dilation, rngs=rngs) for dilation in (1, 2)]
        )
        self.forward = GRU(H, H, rngs=rngs)
        self.backward = GRU(H, H, reverse=True, rngs=rngs)
        self.labels = CausalConv(2 * H, 1 + len(ALPHABET), 1, rngs=rngs)

    def __call__(self, x: jax.Array, n_frames: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return logits (B, S, V) on features x (B, T, F), and a mask (B, S) that is 1 after the last step."""
        B, T, _ = x.shape
        x = jnp.pad(x[:, : T // STRIDE * STRIDE], ((0, 0), (0, LOOK_AHEAD * STRIDE), (0, 0)))
        h = run_all(self.front, start_all(self.front, B), x)[1][:, LOOK_AHEAD:]
        n_steps = -(-n_frames // STRIDE)
        padding = jnp.where(jnp.arange(h.shape[1]) < n_steps[:, None], 0.0, 1.0)
        h = jnp.concatenate([self.forward(h, n_steps), self.backward(h, n_steps)], axis=-1)
        return self.labels(h[:, :0], h)[1], padding


def letters(logits: np.ndarray) -> str:
    """Return the text of logits (S, V) by greedy decoding: repetitions and blanks of the best labels are removed.

    >>> letters(np.eye(29)[[0, 3, 3, 0, 3, 2]])
    'BBA'
    """
    best = np.argmax(logits, axis=-1)
    best = best[np.diff(best, prepend=0) != 0]
    return "".join(ALPHABET[i - 1] for i in best if i)


class Judge:
    """Recognise speech with the weights of a trained recogniser."""

    def __init__(self, path: Path):
        tensors, metadata = read_tensors(path)
        graph, params = nnx.split(nnx.eval_shape(lambda: Recogniser(rngs=nnx.Rngs(0))), nnx.Param)
        nnx.replace_by_pure_dict(params, jax.tree.map(jnp.asarray, unflatten(tensors)))
        self.notes = json.loads(metadata["notes"])
        self._params = params
        self._run = jax.jit(lambda params, x, n: nnx.merge(graph, params)(x, n)[0])

    def read(self, frames: Sequence[np.ndarray]) -> list[str]:
        """Return the recognised texts of utterances, each given as features (T, F)."""
        texts = []
        for of in frames:
            T = next((T for T in BUCKETS if len(of) <= T), -(-len(of) // 400) * 400)
            x, n = fill([of], T)
            texts.append(letters(np.asarray(self._run(self._params, x, n))[0, : -(-int(n[0]) // STRIDE)]))
        return texts

    def error_rate(self, x: np.ndarray, text: str) -> float:
        """Return the letter error rate of x (n,) at 16 kHz: edit distance over the length of the transcript."""
        return Levenshtein.distance(self.read([features(x)])[0], plain(text)) / len(plain(text))


def error_counts(judge: Judge, frames: Sequence[np.ndarray], utterances: Sequence[Utterance]) -> np.ndarray:
    """Return wrong letters and letters of every utterance, (n, 2)."""
    said = [plain(of.text) for of in utterances]
    pairs = zip(judge.read(frames), said, strict=True)
    return np.array([(Levenshtein.distance(read, text), len(text)) for read, text in pairs])


def save(path: Path, params: nnx.State, notes: dict) -> None:
    """Save a recogniser's weights."""
    write_tensors(path, flatten(nnx.to_pure_dict(params)), {"notes": json.dumps(notes)})
