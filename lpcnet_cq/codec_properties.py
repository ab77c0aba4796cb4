"""What a loaded codec is: its weights, dimensions, bitrates, delay and size.

Place in the chain: the base of `codec`, above the parts that a weights file gives.
"""

import os

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.contract import CodecRecord
from lpcnet_cq.live.pause import finds_pauses
from lpcnet_cq.parts import load_parts


class CodecProperties:
    """Load the parts of a codec and describe them; `codec.Codec` adds the coding.

    Parameters
    ----------
    path : path
        Weights file.
    backend : str, optional
        As for `codec.Codec`.

    Raises
    ------
    ValueError
        If the file is missing or is not a weights file of this project, or the backend does not exist or is not
        installed.
    """

    def __init__(self, path: str | os.PathLike, backend: str | None = None):
        self._parts = load_parts(path, backend)

    @property
    def name(self) -> str:
        """Name of the weights."""
        return self._parts.name

    @property
    def backend(self) -> str:
        """Name of the library that runs the networks: "numpy" or "jax"."""
        return self._parts.backend

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights file; every stream contains its first 16 digits."""
        return self._parts.sha256

    @property
    def kind(self) -> str:
        """Kind of codec: "speech" or "music"."""
        return self._parts.record.kind

    @property
    def record(self) -> CodecRecord:
        """All parts of this kind of codec."""
        return self._parts.record

    @property
    def config(self) -> CodecConfig:
        """Dimensions of the codec."""
        return self._parts.config

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the codec in Hz."""
        return self.config.spec.sample_rate_hz

    @property
    def channels(self) -> int:
        """Maximum number of coded channels; more are downmixed to their mean."""
        return self.config.channels

    @property
    def max_layers(self) -> int:
        """Maximum number of layers of a packet."""
        return self.record.max_layers

    @property
    def bitrates_bps(self) -> tuple[int, int]:
        """Supported bitrate range, lowest and highest."""
        return self._parts.supported_bps

    @property
    def default_bitrate_bps(self) -> int:
        """Bitrate that is used if the caller gives none."""
        return int(self._parts.checked_bitrate_bps(None))

    @property
    def supports_dtx(self) -> bool:
        """Whether live encoders can leave out the packets of pauses: those of speech can."""
        return finds_pauses(self.config.spec)

    def packet_bytes(self, bitrate_bps: float) -> int:
        """Return the packet size in bytes at a bitrate: the maximum in mode "capped", the size in mode "constant"."""
        return self._parts.packet_bytes(self._parts.checked_bitrate_bps(bitrate_bps))

    @property
    def delay_ms(self) -> float:
        """Algorithmic delay of live coding: frame, look-ahead, decoder."""
        return self.config.delay_ms

    @property
    def n_parameters(self) -> int:
        """Number of trained values."""
        return self._parts.n_parameters

    def macs_per_second(self) -> dict[str, float]:
        """Return the multiply-accumulates per second of audio by part: `encoder`, `decoder` and `entropy`."""
        return self.record.complexity(self.config, self._parts.floats)
