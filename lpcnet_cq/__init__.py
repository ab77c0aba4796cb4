"""Speech codec for 9 to 24 kbps: linear prediction and a neural residual coder, quantised together.

`load()` returns a codec; its `encode` and `decode` work on whole signals, `encoder()` and `decoder()` on packets.
Importing the package is fast, because the codec is imported with the first call of `load`.
"""

import os
from typing import TYPE_CHECKING

from lpcnet_cq.errors import BitstreamError

if TYPE_CHECKING:
    from lpcnet_cq.codec import Codec

__all__ = ["BitstreamError", "load"]
__version__ = "0.1.0"


def load(name_or_path: str | os.PathLike | None = None, backend: str | None = None) -> "Codec":
    """Load a codec from released weights by name (by default `cq3`), a weights file, or the folder of a training run.

    Every call reads the weights again and returns a new codec. The networks run in NumPy (`backend="numpy"`, the
    default if the codec has it) or in JAX ("jax"); both read and write the same streams.

    Returns
    -------
    lpcnet_cq.codec.Codec

    Raises
    ------
    ValueError
        If there are no such weights, or the backend does not exist or is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> codec = load()
    >>> data = codec.encode(np.zeros(16000), 16000, bitrate_bps=9000)
    >>> codec.decode(data)[0].shape
    (16000,)
    """
    from lpcnet_cq.codec import load as load_codec

    return load_codec(name_or_path, backend)
