"""Average the parameters of two weights files of the same training, which often decode better than both.

    python experiments/average_weights.py A B OUT

The integers and the notes are those of B, whose entropy model must be that of A. OUT is packed as released files are.

References
----------
M. Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models", ICML 2022.
"""

import argparse
from pathlib import Path

import jax
import numpy as np

from lpcnet_cq.checkpoint.training_files import save_weights
from lpcnet_cq.checkpoint.weights import load_weights
from lpcnet_cq.nn.runtime import with_values
from lpcnet_cq.speech import model as cq


def main():
    p = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    p.add_argument("first", type=Path)
    p.add_argument("second", type=Path)
    p.add_argument("out", type=Path)
    args = p.parse_args()
    a, b = load_weights(args.first), load_weights(args.second)
    if any((a.integers[name] != value).any() for name, value in b.integers.items()):
        p.error("the files have different entropy models")
    mean = jax.tree.map(lambda x, y: 0.5 * (np.asarray(x) + np.asarray(y)), a.floats, b.floats)
    _, params = with_values(cq.Model, mean, b.config)
    save_weights(args.out, params, b.integers, b.config, b.notes, small=True)


if __name__ == "__main__":
    main()
