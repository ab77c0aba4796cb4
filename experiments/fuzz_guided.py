"""Fuzz streams guided by coverage: libFuzzer keeps the inputs that reach new code and mutates them further.

    pip install atheris
    python experiments/fuzz_guided.py CORPUS [-runs=100000] [-max_total_time=600]

The folder CORPUS takes the inputs; other arguments are those of libFuzzer. An input is one byte for the target, one for
the seed, whose weights decode it, and a stream. The mutations and the rules are those of `fuzz.py`.
"""

import importlib
import sys
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

atheris: Any = importlib.import_module("atheris")  # a compiled module without types

INSTRUMENTED = ("bitstream", "files", "live", "audio")

with atheris.instrument_imports(include=[f"lpcnet_cq.{name}" for name in INSTRUMENTED]):
    from fuzz_mutations import STREAM, mutate
    from fuzz_seeds import make_seeds
    from fuzz_targets import decode, decode_blocks, info, thin

SEEDS = make_seeds(music=False)
RUNS = (decode, info, thin, decode_blocks)


def run_one(data: bytes) -> None:
    """Run one input; what it raises ends the run, and libFuzzer stores the input."""
    if len(data) >= 2:
        RUNS[data[0] % len(RUNS)](SEEDS[data[1] % len(SEEDS)].codec, data[2:])


def mutated(data: bytes, most_bytes: int, seed: int) -> bytes:
    """Return another input near this one."""
    random = Random(seed)
    head = data[:2] if len(data) >= 2 and random.random() < 0.9 else random.randbytes(2)
    stream = mutate(random, data[2:], random.choice(SEEDS).data, STREAM, repair=True)[1]
    return (head + stream)[:most_bytes]


def main() -> None:
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    for i, seed in enumerate(SEEDS):
        for k in range(len(RUNS)):
            (corpus / f"{seed.name}-{k}").write_bytes(bytes([k, i]) + seed.data)
    atheris.Setup([*sys.argv, "-max_len=131074"], run_one, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
