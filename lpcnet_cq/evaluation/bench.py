"""`lpcnet-cq bench`: speed of the codec and of its differentiable filters, on one core and after compilation.

Every number is the median of several runs. The real-time factor is processing time over audio duration; lower is
better.
"""

import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SECONDS = 10.0
RUNS = 3


def median_s(function, runs: int = RUNS) -> float:
    """Return the median duration of a call in seconds, after one warm-up call."""
    function()
    durations = []
    for _ in range(runs):
        began = time.perf_counter()
        function()
        durations.append(time.perf_counter() - began)
    return statistics.median(durations)


def speech_like(seconds: float, sample_rate_hz: int) -> np.ndarray:
    """Return pulses and noise, filtered by time-varying resonances, (n,); its packets have typical sizes."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(0)
    n, block = int(seconds * sample_rate_hz), sample_rate_hz // 5
    x = 0.003 * rng.standard_normal(n)
    x[:: sample_rate_hz // 120] += 0.2
    for i in range(0, n, block):
        for f in rng.uniform((300, 900, 2200), (800, 2000, 3200)):
            r, w = 0.97, 2 * np.pi * f / sample_rate_hz
            x[i : i + block] = lfilter([1 - r], [1, -2 * r * np.cos(w), r * r], x[i : i + block])
    return (0.1 * x / (x.std() + 1e-9)).clip(-1, 1).astype(np.float32)


def codec_rows(model: str | None, backend: str | None = None) -> list[tuple[str, str]]:
    """Measure the coding of whole files and of single packets."""
    import lpcnet_cq

    codec = lpcnet_cq.load(model, backend)
    fs, macs, (low, high) = codec.sample_rate_hz, codec.macs_per_second(), codec.bitrates_bps
    x = speech_like(SECONDS, fs)
    if codec.channels > 1:
        x = np.stack([np.roll(x, i * fs // 10) for i in range(codec.channels)], axis=1)
    rates_bps = sorted({min(max(rate_bps, low), high) for rate_bps in codec.record.training_bps})
    rows = [
        ("parameters", f"{codec.n_parameters:,}"),
        ("encoder, decoder, entropy model, MMAC/s", ", ".join(f"{v / 1e6:.0f}" for v in macs.values())),
        ("algorithmic delay", f"{codec.delay_ms:.0f} ms"),
    ]
    for rate_bps in rates_bps:
        data = codec.encode(x, fs, rate_bps)
        codes: dict[str, Callable] = {"encode": lambda rate_bps=rate_bps: codec.encode(x, fs, rate_bps)}
        codes["decode"] = lambda data=data: codec.decode(data)
        for name, code in codes.items():
            factor = median_s(code) / SECONDS
            text = f"{factor:.4f} ({1 / factor:.0f} times real time)"
            rows.append((f"{name} at {rate_bps / 1000:g} kbps, real-time factor", text))
        for name, packets_s in zip(("encode", "decode"), live_s(codec, x, rate_bps), strict=True):
            median, p99 = np.quantile(packets_s, (0.5, 0.99))
            factor = len(x) / fs / np.sum(packets_s)
            text = f"median {1000 * median:.2f} ms, 99 % below {1000 * p99:.2f} ms ({factor:.0f} times real time)"
            rows.append((f"live {name} at {rate_bps / 1000:g} kbps, CPU time per packet", text))
    return rows + cold_rows(codec, x, data)


def live_s(codec, x: np.ndarray, rate_bps: float) -> tuple[list[float], list[float]]:
    """Return the CPU times in seconds of encoding and of decoding each packet of a live signal."""
    times: tuple[list[float], list[float]] = [], []
    for _ in range(2):  # the first time, code is compiled
        encoder, decoder, times = codec.encoder(rate_bps), codec.decoder(), ([], [])
        for i in range(0, len(x) - encoder.frame_size + 1, encoder.frame_size):
            began = time.process_time()
            (data,) = encoder.push(x[i : i + encoder.frame_size])
            encoded = time.process_time()
            decoder.push(data)
            times[0].append(encoded - began)
            times[1].append(time.process_time() - encoded)
    return times


def cold_rows(codec, x: np.ndarray, data: bytes) -> list[tuple[str, str]]:
    """Measure the CPU time of whole commands on a file of 10 s, with imports; compiled code comes from the cache."""
    import resource

    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        wav, cq = Path(folder) / "x.wav", Path(folder) / "x.cq"
        soundfile.write(wav, x, codec.sample_rate_hz)
        cq.write_bytes(data)
        command = [sys.executable, "-m", "lpcnet_cq"]
        extra = ["--model", codec._parts.path, "--backend", codec.backend]

        def median_cpu_s(*arguments):
            found = []
            for _ in range(1 + RUNS):
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run([*command, *map(str, [*arguments, *extra])], check=True, capture_output=True)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
            return statistics.median(found[1:])

        encode_s = median_cpu_s("encode", wav, Path(folder) / "y.cq", "-f")
        decode_s = median_cpu_s("decode", cq, Path(folder) / "y.wav", "-f")
    name = f"{{}} {SECONDS:g} s, whole command, CPU time"
    return [(name.format("encode"), f"{encode_s:.2f} s"), (name.format("decode"), f"{decode_s:.2f} s")]


def filter_rows() -> list[tuple[str, str]]:
    """Measure the differentiable filters of training: 16 signals of one second, order 17."""
    import jax
    import jax.numpy as jnp

    from dsp.frames import FrameSpec
    from lpcnet_cq.speech.filters import residual, synthesise

    spec, B, M = FrameSpec(), 16, 17
    S = spec.sample_rate_hz // spec.subframe
    key = jax.random.key(0)
    x = jax.random.normal(key, (B, S * spec.subframe))
    a = jnp.concatenate([jnp.ones((B, S, 1)), 0.02 * jax.random.normal(key, (B, S, M))], axis=-1)
    zero = jnp.zeros((B, M))
    rows = []
    for name, function in (("analysis A(z)", residual), ("synthesis 1/A(z)", synthesise)):
        forward = jax.jit(lambda x, a, f=function: f(zero, x, a)[1])
        gradient = jax.jit(jax.grad(lambda x, a, f=function: (f(zero, x, a)[1] ** 2).sum(), argnums=(0, 1)))
        forward_s = median_s(lambda f=forward: jax.block_until_ready(f(x, a)))
        gradient_s = median_s(lambda f=gradient: jax.block_until_ready(f(x, a)))
        text = f"{1000 * forward_s:.1f} ms, {1000 * gradient_s:.1f} ms ({B / gradient_s:.0f} s of audio per second)"
        rows.append((f"{name}, forward, with gradients", text))
    return rows


def processor() -> str:
    """Return the names of processor and software."""
    import jax

    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, one core, Python {platform.python_version()}, jax {jax.__version__}"
