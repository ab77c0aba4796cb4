"""The parts of a codec, created from a weights file.

Place in the chain: between weights files and the public classes: `codec` codes files with these parts, `live.encoder`
and `live.decoder` code live signals. Parts are immutable and all state of a signal is passed explicitly, so that
threads can share them.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

import numpy as np

from dsp._arguments import number
from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.extension import CODECS
from lpcnet_cq.bitstream.packet_reader import ReadsPackets
from lpcnet_cq.bitstream.packing import Packer
from lpcnet_cq.checkpoint.weights import FOLDER, find_weights, load_weights
from lpcnet_cq.checkpoint.weights_check import check_notes
from lpcnet_cq.contract import CodecRecord, SignalModel
from lpcnet_cq.level_loop import LevelLoop
from lpcnet_cq.registry import record_of


@dataclass(frozen=True, eq=False)
class CodecParts:
    """Hold everything that coding with one set of weights needs.

    Pickling stores the names of weights and backend only; unpickling loads them again.

    Attributes
    ----------
    path : Path
        Absolute path of the weights file.
    sha256 : str
        SHA-256 of the weights file.
    backend : str
        Name of the library that runs the networks, a key of `record.backends`.
    record : CodecRecord
    config : CodecConfig
    floats : dict
        Nested float parameters.
    supported_bps : tuple of int
        Lowest and highest bitrate that the weights reach for most signals.
    entropy : EntropyModel
    signal : SignalModel
    reader : ReadsPackets
        Reader of packets.
    packer : Packer
        Writer of packets, with the step sizes that the weights support.
    """

    path: Path
    sha256: str
    backend: str
    record: CodecRecord
    config: CodecConfig
    floats: dict
    supported_bps: tuple[int, int]
    entropy: EntropyModel
    signal: SignalModel
    reader: ReadsPackets
    packer: Packer

    def __reduce__(self) -> tuple:
        """Return the function and arguments that load the same weights: by name if they are released, else by path."""
        released = self.path == FOLDER / self.path.name
        return load_same_parts, (self.name if released else str(self.path), self.sha256, self.backend)

    def __copy__(self) -> "CodecParts":
        return self

    def __deepcopy__(self, memo: dict) -> "CodecParts":
        return self

    @property
    def name(self) -> str:
        """Name of the weights."""
        return self.path.stem

    @property
    def level_loop(self) -> LevelLoop:
        """The loop that keeps the level of steady sounds, before the first packet."""
        return LevelLoop(self)

    @property
    def n_parameters(self) -> int:
        """Number of trained values."""
        return sum(np.size(value) for value in _leaves(self.floats))

    @property
    def coding_name(self) -> str:
        """Name of the codec in stream headers, which have numbers for the codecs in `CODECS` only."""
        return self.record.kind if self.record.kind in CODECS else CODECS[0]

    def checked_bitrate_bps(self, bitrate_bps: float | None) -> float:
        """Return a bitrate, or the default bitrate for None.

        Raises
        ------
        ValueError
            If the weights do not support it.
        """
        low, high = self.supported_bps
        if bitrate_bps is None:
            return min(max(self.record.default_bitrate_bps, low), high)
        value = number(bitrate_bps)
        if not low <= value <= high:
            raise ValueError(f"`bitrate_bps` is {bitrate_bps!r}, it must be a number from {low} to {high}")
        return value

    def checked_layers(self, layers: int) -> int:
        """Return a number of layers; raise `ValueError` if packets of this codec cannot have it."""
        most = self.record.max_layers
        if isinstance(layers, bool) or not isinstance(layers, Integral) or layers not in range(1, most + 1):
            allowed = f"1 to {most}" if most > 1 else f"1 for {self.record.kind}"
            raise ValueError(f"`layers` is {layers!r}, it must be a whole number, {allowed}")
        return int(layers)

    def live_levels(self, layers: int) -> bool:
        """Say whether live packets have levels: those of several layers have no place for them."""
        return self.config.normalised and layers == 1

    def packet_bytes(self, bitrate_bps: float) -> int:
        """Return the bytes per packet at a bitrate, rounded down: the packet size in modes "capped" and "constant"."""
        spec = self.config.spec
        return int(bitrate_bps * spec.hop / spec.sample_rate_hz / 8)


def _leaves(tree: dict) -> Iterator[np.ndarray]:
    for value in tree.values():
        yield from _leaves(value) if isinstance(value, dict) else [value]


def load_parts(path: str | os.PathLike, backend: str | None = None) -> CodecParts:
    """Read a weights file and create the parts of its codec.

    Parameters
    ----------
    path : path
    backend : str, optional
        "numpy" or "jax"; by default the first one that the codec has.

    Raises
    ------
    ValueError
        If the file is missing or is not a weights file of this project, or the backend does not exist or is not
        installed.
    """
    path = Path(path).absolute()
    floats, integers, config, notes, sha256 = load_weights(path)
    record = record_of(config)
    backend = record.backend(backend)
    try:
        if not integers:
            raise ValueError("the integer entropy model is missing")
        check_notes(notes, config)
        signal, reader, entropy = record.backends[backend].make(record, floats, integers, config)
    except ModuleNotFoundError as error:
        install = f"`pip install 'lpcnet-cq[{backend}]'` installs it"
        raise ValueError(
            f"`{path.stem}` with the backend {backend} needs the package `{error.name}`; {install}"
        ) from error
    except ValueError as error:
        raise ValueError(f"`{path}` is not a readable weights file: {error}") from error
    sizes = config.step_ratio ** (np.arange(config.n_steps) - float(config.nominal_step))
    low, high = notes["supported_bps"]
    return CodecParts(
        path=path,
        sha256=sha256,
        backend=backend,
        record=record,
        config=config,
        floats=floats,
        supported_bps=(int(low), int(high)),
        entropy=entropy,
        signal=signal,
        reader=reader,
        packer=Packer(entropy, sizes, range(*notes["steps"]), np.array(notes["mean_rates_bps"])),
    )


def load_same_parts(name_or_path: str, sha256: str, backend: str) -> CodecParts:
    """Load the weights of a pickled codec.

    Raises
    ------
    ValueError
        If the weights are missing or have changed.
    """
    parts = load_parts(find_weights(name_or_path), backend)
    if parts.sha256 != sha256:
        raise ValueError(f"the weights `{name_or_path}` have changed: their SHA-256 begins with {parts.sha256[:16]}")
    return parts
