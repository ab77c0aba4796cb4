"""Interface of all codecs: every codec has a signal model, an entropy model, and one record that lists its parts.

Place in the chain: between `bitstream`, which codes integers independent of their meaning, and the codecs (`speech`,
`music`), which convert signals to integers. All other modules (`parts`, `live.encoder`, `codec`, training, evaluation,
command line) use the record and do not distinguish codecs. `registry` holds the records.

Letters: T packets, K side integers, S vectors of latents per packet, D latents per vector, C channels.
"""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from lpcnet_cq.bitstream.codec_config import CodecConfig
from lpcnet_cq.bitstream.entropy_model import EntropyModel
from lpcnet_cq.bitstream.packet import Integers
from lpcnet_cq.bitstream.packet_reader import ReadsPackets

Shapes = dict[str, tuple[int | str, ...]]  # by names of tensors; letters are widths of any size, equal ones are equal


class SignalModel(Protocol):
    """Convert samples to the content of packets, and back.

    A signal has the shape (n,), or (n, C) for codecs with several channels. All state is passed explicitly, so that
    files and live streams call the same functions: files with many packets per call, live streams with one.
    """

    def start_encoder(self, ahead: np.ndarray) -> Any:
        """Return the encoder's state before the first packet.

        Parameters
        ----------
        ahead : array (n,) or (n, C)
            First `look_ahead` samples of the signal, or fewer if the signal is shorter. Then the first packet begins
            with the first sample of the signal. Live encoders pass zeros, so that packets begin `look_ahead` samples
            earlier.
        """
        ...

    def analyse(self, state: Any, x: np.ndarray, T: int) -> tuple[Any, np.ndarray, np.ndarray]:
        """Encode T packets.

        Parameters
        ----------
        state : Any
        x : array (T*hop,) or (T*hop, C)
            The next samples; fewer or none at the end of the signal.
        T : int

        Returns
        -------
        state : Any
        side : int64 array (T, K)
        latents : float array (T, S, D)
            In units of the middle step size, before quantisation.
        """
        ...

    def steady(self, state: Any) -> Mapping[int, np.ndarray]:
        """Return the packets that need a check of their decoded level: steady sounds, whose level is measured.

        Parameters
        ----------
        state : Any
            From `analyse`.

        Returns
        -------
        mapping of int to float32 array (hop,) or (hop, C)
            What the packets of this call of `analyse` should sound like, by their index in it, ascending; empty for
            almost all signals.
        """
        ...

    def start_decoder(self) -> Any:
        """Return the decoder's state before the first packet."""
        ...

    def synthesise(self, state: Any, n: Integers) -> tuple[Any, np.ndarray]:
        """Decode packets.

        Parameters
        ----------
        state : Any
        n : Integers
            Integers of T packets; code is compiled for every value of T.

        Returns
        -------
        state : Any
        y : float32 array (T*hop,) or (T*hop, C)
            Finite samples, delayed by `decoder_delay`. The caller clips samples beyond [-1, 1].
        """
        ...

    def conceal(
        self, state: Any, last: Integers | None, lost: int, next_packet: Integers | None = None, distance: int = 1
    ) -> tuple[Any, np.ndarray]:
        """Return the next state and the frame that replaces a lost packet.

        Parameters
        ----------
        state : Any
        last : Integers or None
            The last received packet; None if no packet was received.
        lost : int
            Number of packets lost since then, this one included. 0: the packet is not lost but was not sent; the
            frame is comfort noise with the side information of `last`, whose latents are zero.
        next_packet : Integers, optional
            A packet after the lost one, if one is known; a signal model may interpolate, or ignore it.
        distance : int
            Packets from the lost one to `next_packet`, 1 or more; those between are lost, too.
        """
        ...


@dataclass(frozen=True)
class Backend:
    """Name the parts of a codec that one library runs, as "module:attribute": no library is imported before its use.

    Parameters
    ----------
    signal_model : str
        (nested float parameters, entropy model, configuration) to a `SignalModel`.
    reader : str
        (entropy model) to a reader of packets.
    entropy_model : str
        A faster entropy model with the same integers as that of the record; empty if there is none.
    """

    signal_model: str
    reader: str
    entropy_model: str = ""

    def make(
        self, record: "CodecRecord", floats: dict, integers: dict[str, np.ndarray], config: CodecConfig
    ) -> tuple[SignalModel, ReadsPackets, EntropyModel]:
        """Return signal model, reader and entropy model of weights.

        Raises
        ------
        ModuleNotFoundError
            If the library is not installed.
        """
        entropy_model = pkgutil.resolve_name(self.entropy_model) if self.entropy_model else record.entropy_model
        entropy = entropy_model(integers, config)
        signal = pkgutil.resolve_name(self.signal_model)(floats, entropy, config)
        return signal, pkgutil.resolve_name(self.reader)(entropy), entropy


NUMPY_READER = "lpcnet_cq.bitstream.packet_reader:PacketReader"
JAX_READER = "lpcnet_cq.nn.packet_reader:Reader"


@dataclass(frozen=True)
class CodecRecord:
    """List the parts of one codec.

    Parameters
    ----------
    kind : str
        Name of the codec in weights files and stream headers, such as "speech".
    config : type
        Class of its configuration, with `kind`, `channels` and `segment_packets` as class attributes.
    backends : dict
        `Backend` by name; the first one is the default.
    entropy_model : callable
        (integers of a weights file, configuration) to an `EntropyModel`.
    freeze : callable
        (nested float parameters, configuration) to the integers of a weights file.
    thaw : callable
        (integers, configuration) to the nested float parameters of the entropy model: the inverse of `freeze` except
        for rounding.
    default_bitrate_bps : int
        Bitrate that is used if the caller gives none.
    training_bps : tuple of int
        Default range of bitrates in training, lowest and highest.
    max_layers : int
        Maximum number of layers of a packet, 1 or more.
    highpass_hz : float
        Cutoff of the encoder's high-pass filter, 0 if it has none.
    weights : str
        Name of the default released weights; empty if there are none.
    tensor_shapes : callable, optional
        (configuration) to the `Shapes` of all tensors of a weights file but those of the entropy model's floats, which
        only training needs. Files are not compared with it if there is none.
    metrics : tuple of str
        Names in `evaluation.metrics.METRICS` that the codec is evaluated with.
    task_name, complexity_name : str
        "module:attribute" of parts that only training and evaluation need; empty if the codec has no such part.
    """

    kind: str
    config: type[CodecConfig]
    backends: Mapping[str, Backend]
    entropy_model: Callable[[dict[str, np.ndarray], Any], EntropyModel]
    freeze: Callable[[dict, Any], dict[str, np.ndarray]]
    thaw: Callable[[dict[str, np.ndarray], Any], dict]
    default_bitrate_bps: int
    training_bps: tuple[int, int]
    max_layers: int = 1
    highpass_hz: float = 0.0
    weights: str = ""
    tensor_shapes: Callable[[Any], Shapes] | None = None
    metrics: tuple[str, ...] = ()
    task_name: str = ""
    complexity_name: str = ""

    @property
    def channels(self) -> int:
        """Maximum number of coded channels."""
        return self.config.channels

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate of the default configuration."""
        return self.config().spec.sample_rate_hz

    def backend(self, name: str | None) -> str:
        """Return the name of a backend; None stands for the default one.

        Raises
        ------
        ValueError
            If the codec has no such backend.
        """
        if name is None:
            return next(iter(self.backends))
        if name not in self.backends:
            allowed = " or ".join(f"`{known}`" for known in self.backends)
            raise ValueError(f"`backend` is {name!r}, it must be {allowed} for {self.kind}")
        return name

    @property
    def task(self) -> Any:
        """The training task: data, model, objective. Imports the packages that training needs."""
        return self._resolve("task_name")

    @property
    def complexity(self) -> Callable[..., dict[str, float]]:
        """Function (configuration, nested float parameters or None) to multiply-accumulates per second by part."""
        return self._resolve("complexity_name")

    def _resolve(self, field: str) -> Any:
        name = getattr(self, field)
        if not name:
            raise ValueError(f"the codec `{self.kind}` has no {field.removesuffix('_name')}")
        return pkgutil.resolve_name(name)
