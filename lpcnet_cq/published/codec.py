"""A trained published system as a codec: `encode`, `decode` and `info` with the interface of our own codec.

Place in the chain: the whole codec. The file format is that of `container`: header with model hash, segments with CRC.
The first packet contains the level of the whole signal, one byte; every other packet is a frame. Decoding always uses
hard symbols.
"""

import io
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lpcnet_cq.audio.reader import prepare, resample
from lpcnet_cq.bitstream.container import Header, read_header, read_segments, write_header, write_segment
from lpcnet_cq.errors import BitstreamError
from lpcnet_cq.nn.layers import count_parameters
from lpcnet_cq.nn.runtime import compiled, use_cache
from lpcnet_cq.published import model as published
from lpcnet_cq.published.complexity import shapes_of
from lpcnet_cq.published.front import LEVEL_BITS, analyse_lsf, level_gain, level_index
from lpcnet_cq.published.packet import get_frame, layout, put_frame, symbol_bits
from lpcnet_cq.published.weights import load_system

CHUNK = 32  # frames per compiled call: about a second
SEGMENT_PACKETS = 250  # packets per segment; they fit in 64 KiB at all bitrates of the papers


class PublishedCodec:
    """Encode and decode speech with one set of weights, at the bitrate for which they were trained.

    Parameters
    ----------
    path : Path
        Weights file of `published.train`.
    """

    def __init__(self, path: Path):
        floats, self.tables, self.config, self.notes, self.sha256 = load_system(path)
        self.name = Path(path).stem
        self.bitrates_bps = (round(self.notes["bitrate_bps"]),) * 2
        self.places = layout(self.tables, self.config)
        use_cache()
        shapes = shapes_of(self.config)
        self.n_parameters = count_parameters(shapes)
        graph, self._params = nnx.split(shapes, nnx.Param)
        nnx.replace_by_pure_dict(self._params, jax.tree.map(jnp.asarray, floats))
        self._encode, self._decode = compiled(published.encode, graph), compiled(published.decode, graph)
        self._recode_soft = compiled(published.recode_soft, graph)

    kind, channels = "speech", 1

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the codec."""
        return self.config.spec.sample_rate_hz

    @property
    def delay_ms(self) -> float:
        """Algorithmic delay in milliseconds, without that of the level, which needs the whole signal."""
        return self.config.delay_ms

    def encode(self, x: np.ndarray, sample_rate_hz: int, bitrate_bps: float | None = None) -> bytes:
        """Encode a signal to bytes.

        Parameters
        ----------
        x : array (n,)
            Samples in [-1, 1]; other sample rates are resampled.
        sample_rate_hz : int
        bitrate_bps : float, optional
            Must be the bitrate of the weights.

        Raises
        ------
        ValueError
            If `x` is not a vector of finite floats, or the bitrate is not that of the weights.
        """
        if bitrate_bps is not None and bitrate_bps != self.bitrates_bps[0]:
            raise ValueError(f"`bitrate_bps` is {bitrate_bps}, it must be {self.bitrates_bps[0]} with these weights")
        x = prepare(x, sample_rate_hz, self.sample_rate_hz)
        level, T = level_index(x, self.config), self._n_frames(len(x))
        state, parts = published.start_encoder(self.config, 1), []
        for chunk in self._chunks(x, level, T):
            state, s = self._encode(self._params, state, *chunk)
            parts.extend(np.asarray(s[0]))
        packets = [bytes([level]), *(put_frame(self.places, s) for s in parts[:T])]
        file = io.BytesIO()
        write_header(file, Header(len(x), sample_rate_hz, self.bitrates_bps[0], self.sha256))
        starts = range(0, len(packets), SEGMENT_PACKETS)
        for i in starts:
            write_segment(file, packets[i : i + SEGMENT_PACKETS], last=i == starts[-1])
        return file.getvalue()

    def decode(self, data: bytes) -> tuple[np.ndarray, int]:
        """Return float32 samples (n,) in [-1, 1] and their sample rate, which is that of the original.

        Raises
        ------
        BitstreamError
            If the data are damaged, not a `.cq` file, or from another model.
        """
        header, level, s = self.read(data)
        state, pieces = published.start_decoder(self.config, 1), []
        for i in range(0, len(s), CHUNK):
            run = np.pad(s[i : i + CHUNK], ((0, max(0, i + CHUNK - len(s))), (0, 0)))
            state, y = self._decode(self._params, state, run[None])
            pieces.append(y[0])
        return self._finish(pieces, level, header.n_samples, header.sample_rate_hz), header.sample_rate_hz

    def info(self, data: bytes) -> dict:
        """Return the content of a file and the bits of its parts, without synthesis; raises as `decode` does."""
        header, _, s = self.read(data)
        M, bits = self.config.n_lsf, symbol_bits(self.tables, s, self.config)
        parts = {"lsf": bits[:, :M].sum(), "gain": float(LEVEL_BITS), "latents": bits[:, M:].sum()}
        parts["overhead"] = 8 * len(data) - sum(parts.values())
        seconds = header.n_samples / self.sample_rate_hz
        return {
            "duration_s": seconds,
            "sample_rate_hz": header.sample_rate_hz,
            "bitrate_bps": 8 * len(data) / seconds if seconds else 0.0,
            "size_bytes": len(data),
            "packets": len(s),
            "bits": {k: round(float(v), 1) for k, v in parts.items()},
            "model": self.name,
            "model_hash": self.sha256,
            "n_parameters": self.n_parameters,
            "delay_ms": self.delay_ms,
        }

    def recode_soft(self, x: np.ndarray, sample_rate_hz: int) -> np.ndarray:
        """Return x (n,) coded with soft assignments, as in tests of the released code; files cannot contain them."""
        n = len(x)
        x = prepare(x, sample_rate_hz, self.sample_rate_hz)
        level, T = level_index(x, self.config), self._n_frames(len(x))
        states = published.start_encoder(self.config, 1), published.start_decoder(self.config, 1)
        pieces = []
        for chunk in self._chunks(x, level, T):
            states, y = self._recode_soft(self._params, states, *chunk)
            pieces.append(y[0])
        return self._finish(pieces, level, len(x), sample_rate_hz)[:n]

    def _n_frames(self, n_samples):
        """Return the number of frames needed to decode the last sample; the output is delayed by one overlap."""
        spec = self.config.spec
        return spec.n_frames(n_samples + spec.look_ahead) if n_samples else 0

    def _chunks(self, x, level, T):
        """Yield scaled speech (1, CHUNK*hop) and its LSFs, if any, for each call, until T frames are coded."""
        hop, total = self.config.spec.hop, -(-T // CHUNK) * CHUNK
        x = np.pad(x * np.float32(level_gain(level, self.config)), (0, total * hop - len(x)))
        lsf = analyse_lsf(x, self.config) if self.config.n_lsf and T else None
        for i in range(0, total, CHUNK):
            yield x[None, i * hop : (i + CHUNK) * hop], None if lsf is None else lsf[None, i : i + CHUNK]

    def _finish(self, pieces, level, n_samples, sample_rate_hz):
        """Join decoded pieces, remove the delay, and restore level and sample rate."""
        lag = self.config.spec.look_ahead
        y = np.concatenate([*pieces, np.zeros(lag, np.float32)])[lag : lag + n_samples]
        y = resample(y / np.float32(level_gain(level, self.config)), self.sample_rate_hz, sample_rate_hz)
        return np.clip(y, -1, 1)

    def read(self, data: bytes) -> tuple[Header, int, np.ndarray]:
        """Return header, level index and symbols (T, K) of a file; raises as `decode` does."""
        file = io.BytesIO(data)
        header = read_header(file)
        if header.model_hash != self.sha256[:16]:
            raise BitstreamError(f"the stream was made with weights {header.model_hash}, not with {self.sha256[:16]}")
        level, frames = None, []
        for segment in read_segments(file):
            offset = 0
            for _ in range(segment.n_packets):
                if level is None:
                    level, offset = segment.payload[0] if segment.payload else 0, 1
                    continue
                s, offset = get_frame(self.places, segment.payload, offset)
                frames.append(s)
            if offset != len(segment.payload):
                raise BitstreamError(f"a segment has {len(segment.payload)} bytes, its packets have {offset}")
        need = self._n_frames(header.n_samples)
        if level is None or len(frames) != need:
            raise BitstreamError(f"the stream has {len(frames)} frames, its {header.n_samples} samples need {need}")
        return header, level, np.array(frames, np.int32).reshape(need, len(self.places))
