"""The shapes of all tensors that the codec for music needs, by their names in a weights file.

Place in the chain: as `speech.tensor_shapes`.
"""

from lpcnet_cq.bitstream.frequency_tables import TABLES_SHAPE
from lpcnet_cq.contract import Shapes
from lpcnet_cq.music.config import MusicConfig
from lpcnet_cq.speech.tensor_shapes import blocks, conv, side


def tensor_shapes(c: MusicConfig) -> Shapes:
    """Return the shapes for a configuration.

    Examples
    --------
    >>> tensor_shapes(MusicConfig())["integer/steps_w"]
    (256, 32)
    """
    N, J, b = c.spec.hop, c.short_blocks, c.bands
    return {
        "blocks/long": (N // 2,),
        "blocks/short": (N // J // 2,),
        "allocation/bias": (2, 2, b),
        "allocation/energy_weights": (2, 2, 2 * b, b),
        **conv("decoder/lines/0", 3, 6 * J + 2, c.fine),
        **blocks("decoder/lines", 1, c.fine_blocks, c.fine, 3),
        **conv(f"decoder/lines/{1 + c.fine_blocks}", 1, c.fine, 2 * J),
    } | {f"integer/{name}": shape for name, shape in integer_shapes(c).items()}


def integer_shapes(c: MusicConfig) -> Shapes:
    """Return the shapes of the integer entropy model."""
    b, W = c.bands, c.hidden
    return {
        **side("side", c.n_side),
        "line_w1": (10, W),
        "line_1_bs": (4, W),
        "line_w2": (W, W // 2),
        "line_2_bs": (4, W // 2),
        "line_below": (3, W // 2),
        "line_w3": (W // 2, 1),
        "line_skip": (4,),
        "line_b3": (4,),
        "steps_w": (8 * b, b),
        "steps_bs": (4, b),
        "tables": TABLES_SHAPE,
    }
