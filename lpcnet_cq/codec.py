"""The codec a user holds: sound to `.cq` bytes and back, by released or own weights.

Place in the chain: all of it. Compiled code is made for chunks of one second (files) and of one packet (streams),
never for a file's length, and is kept in a cache on disk.
"""

import io
import os
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from lpcnet_cq import packet, rate
from lpcnet_cq.analysis import analyse_lsf
from lpcnet_cq.audio import resample
from lpcnet_cq.container import MAX_PACKETS, Header, read_header, read_segments, write_header, write_segment
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.network import Network
from lpcnet_cq.rounding import round_latents
from lpcnet_cq.tables import IntegerModel
from lpcnet_cq.weights import load_weights

FOLDER = Path(__file__).parent / "weights"
DEFAULT = "cq-9k"
CHUNK = 50  # packets per compiled call on files: one second
REACH = (0.66, 1.3)  # rates the latent steps reach on any speech, against the rate of the training


class Codec:
    """Encode and decode speech with one set of weights.

    Parameters
    ----------
    path : Path
        Weights file.
    """

    def __init__(self, path: Path):
        floats, integers, self.config, notes, self.sha256 = load_weights(path)
        self.name = Path(path).stem
        low, high = (round(r * notes["bitrate_bps"], -2) for r in REACH)
        self.bitrates_bps = (int(low), int(high))
        self.entropy = IntegerModel(integers, self.config)
        self.network = Network(floats, self.config)
        self.n_parameters = sum(np.size(v) for v in _leaves(floats))

    @property
    def sample_rate_hz(self) -> int:
        """Rate at which the codec works."""
        return self.config.spec.sample_rate_hz

    @property
    def delay_ms(self) -> float:
        """Algorithmic delay."""
        return self.config.delay_ms

    @cached_property
    def step_sizes(self) -> np.ndarray:
        """Relative latent step sizes, finest first."""
        c = self.config
        return c.step_ratio ** (np.arange(c.n_steps) - float(c.nominal_step))

    def encode(self, x: np.ndarray, sample_rate_hz: int, bitrate_bps: float = 9000, progress=None) -> bytes:
        """Code a signal to the bytes of a `.cq` file.

        Parameters
        ----------
        x : array (n,) or (n, channels)
            Samples in [-1, 1]; channels are mixed down, other rates resampled.
        sample_rate_hz : int
        bitrate_bps : float
            Average over the file, all its bytes counted.
        progress : callable, optional
            Called with the fraction done.

        Returns
        -------
        bytes

        Raises
        ------
        ValueError
            If `x` holds values that are not finite or has a wrong shape, or the rate is out of range.
        """
        x = self._prepare(x, sample_rate_hz)
        self._check_rate(bitrate_bps)
        spec = self.config.spec
        T = spec.n_frames(len(x) + self.config.decoder_delay) if len(x) else 0
        file = io.BytesIO()
        write_header(file, Header(len(x), sample_rate_hz, round(bitrate_bps), self.sha256))
        packets: list[bytes] = []
        if T:
            side, z = self._analyse(x, T, progress or _ignore)
            packets = self._pack(side, z, len(x) / spec.sample_rate_hz, bitrate_bps)
        starts = range(0, max(T, 1), MAX_PACKETS)
        for i in starts:
            write_segment(file, packets[i : i + MAX_PACKETS], last=i == starts[-1])
        (progress or _ignore)(1.0)
        return file.getvalue()

    def decode(self, data: bytes, progress=None) -> tuple[np.ndarray, int]:
        """Decode the bytes of a `.cq` file.

        Parameters
        ----------
        data : bytes
        progress : callable, optional

        Returns
        -------
        y : float32 array (n,)
            In [-1, 1], at the rate of the original.
        sample_rate_hz : int

        Raises
        ------
        BitstreamError
            If the stream is damaged, foreign, or made by a model that is not this one.
        """
        header, n = self._read(data)
        spec, lag = self.config.spec, self.config.decoder_delay
        pieces, state = [], self.network.start_decoder()
        for i, part in enumerate(n.runs(CHUNK)):
            state, y = self.network.decode(state, part, CHUNK)
            pieces.append(y)
            (progress or _ignore)((i + 1) * CHUNK / max(len(n.step), 1))
        y = np.concatenate([*pieces, np.zeros(lag, np.float32)])[lag : lag + header.n_samples]
        y = np.clip(y, -1, 1)
        if header.sample_rate_hz != spec.sample_rate_hz and len(y):
            y = np.clip(resample(y, spec.sample_rate_hz, header.sample_rate_hz), -1, 1)
        return y.astype(np.float32), header.sample_rate_hz

    def info(self, data: bytes) -> dict:
        """Say what a `.cq` file holds and where its bits go, without synthesis.

        Raises
        ------
        BitstreamError
            As `decode` does.
        """
        header, n = self._read(data)
        M = self.config.order
        bits = np.zeros(1 + self.entropy.K + self.entropy.S * self.entropy.D)
        for run in n.runs(MAX_PACKETS):
            bits += packet.n_bits(self.entropy, None, run).sum(axis=0)
        parts = {"step": bits[0], "lsf": bits[1 : 1 + M].sum(), "gain": bits[1 + M : 1 + self.entropy.K].sum()}
        parts["latents"] = bits[1 + self.entropy.K :].sum()
        parts["overhead"] = 8 * len(data) - sum(parts.values())
        seconds = header.n_samples / self.sample_rate_hz
        return {
            "duration_s": seconds,
            "sample_rate_hz": header.sample_rate_hz,
            "bitrate_bps": 8 * len(data) / seconds if seconds else 0.0,
            "size_bytes": len(data),
            "packets": len(n.step),
            "bits": {k: round(float(v), 1) for k, v in parts.items()},
            "model": self.name,
            "model_hash": self.sha256,
            "n_parameters": self.n_parameters,
            "delay_ms": self.delay_ms,
        }

    def encoder(self, bitrate_bps: float = 9000):
        """Return a live encoder, `push(20 ms of samples) -> bytes`."""
        from lpcnet_cq.stream import Encoder

        self._check_rate(bitrate_bps)
        return Encoder(self, bitrate_bps)

    def decoder(self):
        """Return a live decoder, `push(packet or None) -> 20 ms of samples`."""
        from lpcnet_cq.stream import Decoder

        return Decoder(self)

    def _check_rate(self, bitrate_bps):
        low, high = self.bitrates_bps
        if not low <= bitrate_bps <= high:
            raise ValueError(f"`bitrate_bps` is {bitrate_bps}, it must be {low} to {high}")

    def _prepare(self, x, sample_rate_hz):
        x = np.asarray(x)
        if x.ndim not in (1, 2) or x.dtype.kind not in "fiu":
            raise ValueError(f"`x` has shape {x.shape} and type {x.dtype}, it must be (n,) or (n, channels) numbers")
        if x.dtype.kind in "iu":
            raise ValueError(f"`x` has type {x.dtype}, it must be floating point in [-1, 1]")
        x = x.astype(np.float32) if x.ndim == 1 else x.mean(axis=1, dtype=np.float32)
        if not np.isfinite(x).all():
            raise ValueError("`x` holds NaN or infinite values, it must be finite")
        return x if sample_rate_hz == self.sample_rate_hz else resample(x, sample_rate_hz, self.sample_rate_hz)

    def _analyse(self, x, T, progress):
        """Return side integers (T, K) and latents before rounding (T, S, D)."""
        spec = self.config.spec
        padded_T = -(-T // CHUNK) * CHUNK
        x = np.pad(x, (0, padded_T * spec.hop + spec.look_ahead - len(x)))
        lsf = analyse_lsf(x[: -spec.look_ahead], spec, self.config.order)
        state, sides, zs = self.network.start_encoder(), [], []
        for i in range(0, padded_T, CHUNK):
            a, b = i * spec.hop, (i + CHUNK) * spec.hop
            state, side, z = self.network.encode(state, x[a : b + spec.look_ahead], lsf[i : i + CHUNK])
            sides.append(side)
            zs.append(z)
            progress(0.8 * (i + CHUNK) / padded_T)
        return np.concatenate(sides)[:T], np.concatenate(zs)[:T]

    def _pack(self, side, z, seconds, bitrate_bps):
        """Choose step sizes and write packets; once more with a corrected budget if they come out too large."""
        budget = allowed = rate.file_budget_bits(len(side), seconds, bitrate_bps)
        for _ in range(3):
            step = rate.choose_steps(self.entropy, side, z, self.step_sizes, budget)
            n = round_latents(self.entropy, packet.start(self.entropy), side, z, step, self.step_sizes)
            packets = [p for run in n.runs(MAX_PACKETS) for p in packet.put_packets(self.entropy, None, run)[1]]
            excess = 8 * sum(map(len, packets)) - allowed
            if excess <= 0 or step.min() == len(self.step_sizes) - 1:
                break
            budget -= 1.2 * excess + 8
        return packets

    def _read(self, data):
        """Return the header and all integers of a file."""
        file = io.BytesIO(data)
        header = read_header(file)
        if header.model_hash != self.sha256[:16]:
            raise BitstreamError(
                f"the stream was made by the model {header.model_hash}, installed are: {', '.join(installed())}"
            )
        parts: list[packet.Integers] = []
        for segment in read_segments(file):
            past, offset = None, 0
            for _ in range(segment.n_packets):
                past, n, offset = packet.get_packet(self.entropy, past, segment.payload, offset)
                parts.append(n)
            if offset != len(segment.payload):
                raise BitstreamError(f"a segment holds {len(segment.payload) - offset} bytes behind its packets")
        need = self.config.spec.n_frames(header.n_samples + self.config.decoder_delay) if header.n_samples else 0
        if len(parts) != need:
            raise BitstreamError(f"the stream holds {len(parts)} packets, its {header.n_samples} samples need {need}")
        return header, packet.join(self.entropy, parts)


def _ignore(fraction: float) -> None:
    """Take note of progress, and forget it."""


def _leaves(tree):
    for value in tree.values():
        yield from _leaves(value) if isinstance(value, dict) else [value]


def installed() -> dict[str, Path]:
    """Return the released weights, by the first 16 digits of their hash."""
    import hashlib

    return {hashlib.sha256(p.read_bytes()).hexdigest()[:16]: p for p in sorted(FOLDER.glob("*.safetensors"))}


@lru_cache
def load(name_or_path: str | os.PathLike | None = None) -> Codec:
    """Load a codec.

    Parameters
    ----------
    name_or_path : str or path, optional
        Name of released weights, path of a weights file, or folder of a training run; the default weights if left
        out.

    Returns
    -------
    Codec

    Raises
    ------
    ValueError
        If there are no such weights.
    """
    name = str(name_or_path or DEFAULT)
    path = Path(name)
    for candidate in (FOLDER / f"{name}.safetensors", path / "weights.safetensors", path):
        if candidate.is_file():
            return Codec(candidate)
    names = ", ".join(p.stem for p in sorted(FOLDER.glob("*.safetensors")))
    raise ValueError(f"there are no weights `{name}`; released are: {names}, or give a file or a run's folder")
