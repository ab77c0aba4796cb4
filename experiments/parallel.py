"""Two processes with half of a batch each against one process with the whole batch: the losses of every step.

    python experiments/parallel.py [--steps 50] [--learning-rates 4e-3 1e-4] [--out runs/parallel]

Trains the smallest speech codec on synthetic vowels on the CPU: with two processes on the loopback address, with one
process that has two devices, each with half of the batch, and with one that has a single device. Prints the largest
difference of the losses of the other two from those of the first, for each learning rate. On a single device, rounding
differs, because sums have another order; training amplifies it, the more the higher the learning rate: Adam divides
gradients by their size, also those that are nothing but rounding errors.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile
from report import make_parser

from lpcnet_cq.cli.launch import free_port, variables
from lpcnet_cq.evaluation.bench import speech_like
from lpcnet_cq.training.presets import PRESETS

CHILD = """
import json, sys
from pathlib import Path
import jax
jax.config.update("jax_disable_most_optimizations", True)
from lpcnet_cq.training.parallel import join_group
join_group()
from lpcnet_cq.training import loop
from lpcnet_cq.training.tasks import config_from_dict
from lpcnet_cq.training.train import make_run, prepare, start_control
loop.LOG_EVERY = 1
t = config_from_dict(json.loads(sys.argv[1]))
start = prepare(t)
loop.train(make_run(t, start), Path(sys.argv[2]), t.as_dict(), start.params, start_control(t), quiet=True)
"""


def losses(t, folder: Path, size: int, devices: int) -> np.ndarray:
    """Train in a group of so many processes, with so many devices each, and return the loss of each step."""
    port = free_port()
    groups = [variables(rank, size, "127.0.0.1", port) for rank in range(size)] if size > 1 else [{}]
    line = [sys.executable, "-c", CHILD, json.dumps(t.as_dict()), str(folder)]
    own = os.environ | {"JAX_PLATFORMS": "cpu", "LPCNET_CQ_CACHE": str(folder.parent / "cache")}
    own |= {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    runs = [subprocess.Popen(line, env=own | group, stdout=subprocess.DEVNULL) for group in groups]
    if any([run.wait() for run in runs]):
        raise SystemExit(f"the training in {folder} failed")
    return np.array([json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()])


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[4e-3, 1e-4])
    parser.add_argument("--out", type=Path, default=Path("runs/parallel"))
    args = parser.parse_args()
    out = args.out.absolute()
    for i in range(3):
        (out / "corpus" / str(i)).mkdir(parents=True, exist_ok=True)
        soundfile.write(out / "corpus" / str(i) / "a.wav", np.roll(speech_like(8.0, 16000), 16000 * i), 16000)
    t = replace(PRESETS["tiny"], data=str(out / "corpus"), steps=args.steps, batch=2, seconds=0.2, annealing=1.0)
    for rate in args.learning_rates:
        two = losses(replace(t, learning_rate=rate), out / f"{rate:g}-processes", 2, 1)
        print(f"learning rate {rate:g}: loss {two[0]:.4f} to {two[-1]:.4f} in {len(two)} steps", flush=True)
        for devices, name in ((2, "two devices"), (1, "one device")):
            difference = np.abs(two - losses(replace(t, learning_rate=rate), out / f"{rate:g}-{devices}", 1, devices))
            said = f"largest difference {difference.max():.1e}, of the first step {difference[0]:.1e}"
            print(f"one process with {name}: {said}", flush=True)
