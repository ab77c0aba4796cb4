"""Speed of `dsp` beside its peers: frames and seconds of audio per second, one thread.

    python experiments/bench_dsp.py [--seconds 30] [--repeats 5]

Prints a table and writes it to results/bench_dsp/rows.csv. Peers that are not installed are named and left
out. All work on the same frames (30 ms every 20 ms at 16 kHz, order 16), each in the way its documentation shows;
the fastest of the repeats counts.
"""
# ruff: noqa: E402 - libraries read how many threads they may use when they are imported

import os

for library in ("OMP", "OPENBLAS", "MKL", "NUMBA"):  # before they are imported
    os.environ[f"{library}_NUM_THREADS"] = "1"

import importlib
import importlib.metadata
import time
from pathlib import Path

import numpy as np
from report import RESULTS, commit, make_parser, processor, record_run
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter

from dsp.burg import burg
from dsp.filters import direct_analysis, direct_synthesis
from dsp.formants import poles
from dsp.frames import FrameSpec, frame
from dsp.lpc import autocorrelation, levinson_durbin
from dsp.lsf import lpc_to_lsf, lsf_to_lpc
from dsp.pitch import pitch_track
from dsp.psychoacoustics import masking
from dsp.reflection import lpc_to_reflection
from lpcnet_cq.evaluation.tables import write_rows

SPEC = FrameSpec()
ORDER = 16
COLUMNS = ["task", "implementation", "frames_per_s", "audio_s_per_s", "dsp_is_faster_by"]


def speechlike(n_samples, seed=0):
    """Return pulses and noise through four resonators, (n_samples,)."""
    rng = np.random.default_rng(seed)
    source = 0.01 * rng.normal(size=n_samples)
    source[:: SPEC.sample_rate_hz // 120] += 1
    pole = 0.97 * np.exp(2j * np.pi * np.array([500, 1500, 2500, 3500]) / SPEC.sample_rate_hz)
    return lfilter([0.05], np.poly(np.concatenate([pole, pole.conj()])).real, source)


# --- what peers leave to their users: the loop over frames --------------------------------------------------


def scipy_lpc(x):
    r = np.correlate(x, x, "full")[len(x) - 1 :][: ORDER + 1]
    return np.concatenate([[1.0], solve_toeplitz(r[:-1], -r[1:])])


def numpy_lsf(a):
    p = np.append(a, 0)
    angles = np.angle(np.concatenate([np.roots(p + p[::-1]), np.roots(p - p[::-1])]))
    return np.sort(angles[(angles > 1e-6) & (angles < np.pi - 1e-6)])


def numpy_lpc(w):
    """LSF to LPC as textbooks do it, for even orders."""
    P, Q = ([z for angle in half for z in (np.exp(1j * angle), np.exp(-1j * angle))] for half in (w[::2], w[1::2]))
    return 0.5 * (np.poly([*P, -1.0]) + np.poly([*Q, 1.0])).real[:-1]


def filter_loop(x, a, inverse):
    """Filter every hop of x by its own predictor, with the state carried over as `lfilter` does it."""
    state, out = np.zeros(ORDER), []
    for row, part in zip(a, x.reshape(-1, SPEC.hop), strict=True):
        b_a = ([1.0], row) if inverse else (row, [1.0])
        y, state = lfilter(*b_a, part, zi=state)
        out.append(y)
    return np.concatenate(out)


# --- tasks --------------------------------------------------------------------------------------------------


def ours_and_numpy(x, windows, a, w):
    """Every task by `dsp`, and by NumPy and SciPy where a loop of few lines does it."""
    e = direct_analysis(x, a)[0]
    return {
        "LPC, autocorrelation": {
            "dsp": lambda: levinson_durbin(autocorrelation(windows, ORDER)),
            "scipy, loop": lambda: [scipy_lpc(row) for row in windows],
        },
        "LPC, Burg": {"dsp": lambda: burg(windows, ORDER)},
        "LPC to LSF": {"dsp": lambda: lpc_to_lsf(a), "numpy.roots, loop": lambda: [numpy_lsf(row) for row in a]},
        "LSF to LPC": {"dsp": lambda: lsf_to_lpc(w), "numpy.poly, loop": lambda: [numpy_lpc(row) for row in w]},
        "LPC to reflection": {"dsp": lambda: lpc_to_reflection(a)},
        "resonances": {"dsp": lambda: poles(a, 16000), "numpy.roots, loop": lambda: [np.roots(row) for row in a]},
        "analysis filter": {
            "dsp": lambda: direct_analysis(x, a),
            "scipy lfilter, loop": lambda: filter_loop(x, a, inverse=False),
        },
        "synthesis filter": {
            "dsp": lambda: direct_synthesis(e, a),
            "scipy lfilter, loop": lambda: filter_loop(e, a, inverse=True),
        },
        "pitch and voicing": {"dsp": lambda: pitch_track(frame(x, SPEC), SPEC.sample_rate_hz)},
        "masking threshold": {"dsp": lambda: masking(x, SPEC.sample_rate_hz, hop=SPEC.hop)},
    }


def add_librosa(tasks, librosa, windows):
    tasks["LPC, Burg"]["librosa.lpc, batch"] = lambda: librosa.lpc(windows, order=ORDER)
    tasks["LPC, Burg"]["librosa.lpc, loop"] = lambda: [librosa.lpc(row, order=ORDER) for row in windows]


def add_pysptk(tasks, pysptk, x, windows, a, w):
    def each(function, rows):
        return lambda: [function(row) for row in rows]

    lsp = np.insert(w, 0, 1.0, axis=-1)
    tasks["LPC, autocorrelation"]["pysptk, loop"] = each(lambda row: pysptk.lpc(row, ORDER), windows)
    tasks["LPC to LSF"]["pysptk, loop"] = each(pysptk.lpc2lsp, a)
    tasks["LSF to LPC"]["pysptk, loop"] = each(pysptk.lsp2lpc, lsp)
    tasks["LPC to reflection"]["pysptk, loop"] = each(pysptk.lpc2par, a)
    pcm = (32767 * x / np.abs(x).max()).astype(np.float32)
    tasks["pitch and voicing"]["pysptk.rapt"] = lambda: pysptk.rapt(pcm, SPEC.sample_rate_hz, SPEC.hop)


def add_torchlpc(tasks, torchlpc, x, a):
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    excitation = torch.from_numpy(direct_analysis(x, a)[0])[None]
    per_sample = torch.from_numpy(np.repeat(a[:, 1:], SPEC.hop, axis=0))[None]
    tasks["synthesis filter"]["torchlpc"] = lambda: torchlpc.sample_wise_lpc(excitation, per_sample)


def all_tasks(seconds):
    """Tasks with their implementations, ours first, and the number of frames and seconds each works on."""
    T = round(seconds * SPEC.sample_rate_hz / SPEC.hop)
    x = speechlike(T * SPEC.hop)
    windows = frame(x, SPEC) * np.hamming(SPEC.window)
    a = levinson_durbin(autocorrelation(windows, ORDER))[0]
    w = lpc_to_lsf(a)
    tasks = ours_and_numpy(x, windows, a, w)
    peers = {name: optional(name) for name in ("librosa", "pysptk", "torchlpc")}
    if peers["librosa"]:
        add_librosa(tasks, peers["librosa"], windows)
    if peers["pysptk"]:
        add_pysptk(tasks, peers["pysptk"], x, windows, a, w)
    if peers["torchlpc"]:
        add_torchlpc(tasks, peers["torchlpc"], x, a)
    return tasks, T


def optional(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: left out")
        return None


def best_time_s(function, repeats):
    function()  # compiles, warms caches
    times_s = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times_s.append(time.perf_counter() - start)
    return min(times_s)


# --- the table ----------------------------------------------------------------------------------------------


def measure(seconds, repeats):
    tasks, n_frames = all_tasks(seconds)
    rows = []
    for task, implementations in tasks.items():
        times_s = {name: best_time_s(function, repeats) for name, function in implementations.items()}
        for name, time_s in times_s.items():
            frames_per_s = n_frames / time_s
            audio_s_per_s = frames_per_s * SPEC.hop / SPEC.sample_rate_hz
            ratio = time_s / times_s["dsp"]
            print(f"{task:22} {name:22} {frames_per_s:12.0f} {audio_s_per_s:12.1f} {ratio:8.1f}x", flush=True)
            numbers = [f"{value:.4g}" for value in (frames_per_s, audio_s_per_s, ratio)]
            rows.append(dict(zip(COLUMNS, [task, name, *numbers], strict=True)))
    return rows


def machine():
    """Return processor, threads, commit and versions: what every speed number needs."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "scipy")]
    return {"cpu": processor(), "threads": 1, "commit": commit() or "", "versions": ", ".join(versions)}


def main():
    parser = make_parser(__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of audio (default 30)")
    parser.add_argument("--repeats", type=int, default=5, help="the fastest counts (default 5)")
    parser.add_argument("--output", type=Path, default=RESULTS / "bench_dsp" / "rows.csv")
    args = parser.parse_args()
    where = machine()
    print(", ".join(f"{key} {value}" for key, value in where.items()))
    print(f"{'task':22} {'implementation':22} {'frames/s':>12} {'audio s/s':>12} {'dsp is':>9}")
    rows = measure(args.seconds, args.repeats)
    write_rows([row | where for row in rows], args.output)
    record_run(args.output.parent)


if __name__ == "__main__":
    main()
