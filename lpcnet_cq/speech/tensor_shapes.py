"""The shapes of all tensors that the codec for speech needs, by their names in a weights file.

Place in the chain: when weights are loaded, `checkpoint.weights_check` compares the file with them. Letters stand for
widths that the configuration does not contain; equal letters are equal widths.
"""

from lpcnet_cq.bitstream.frequency_tables import TABLES_SHAPE
from lpcnet_cq.contract import Shapes
from lpcnet_cq.speech.config import SpeechConfig
from lpcnet_cq.speech.constants import LONGEST_S, SHORTEST_S, TAPS


def tensor_shapes(c: SpeechConfig) -> Shapes:
    """Return the shapes for a configuration.

    Examples
    --------
    >>> shapes = tensor_shapes(SpeechConfig())
    >>> shapes["lsf/basis"], shapes["integer/latent_bs"]
    ((16, 16), (17, 'L'))
    """
    M, S, D, K, F = c.order, c.n_vectors, c.n_latents, c.n_side, c.spec.subframe // c.step
    cond = M + 4  # envelope, three values of the level, step size
    n_lags = round(LONGEST_S * c.spec.sample_rate_hz) - round(SHORTEST_S * c.spec.sample_rate_hz)
    shapes: Shapes = {
        "lsf/mean": (M,),
        "lsf/basis": (M, M),
        "gain/mean": (S,),
        "gain/basis": (S, S),
        "log_scale": (D,),
        "lapped/forward": (2, D, D),
        "lapped/back": (2, D, D),
        "allocation/w1": (2 * S * cond, "A"),
        "allocation/b1": ("A",),
        "allocation/w2": ("A", S * D),
        "allocation/b2": (S * D,),
        "postfilter/log_sharpness": (),
        "postfilter/preference": (n_lags,),
    }
    shapes |= conv("postfilter/look", 3, cond + 2 + 2 * c.concealment, "P") | conv("postfilter/gains", 1, "P", 1 + TAPS)
    shapes |= conv("encoder/fine/0", 5, 2 * c.step, c.fine) | blocks("encoder/fine", 1, c.fine_blocks, c.fine, 5)
    shapes |= conv("encoder/down", 2 * F, c.fine, c.coarse) | conv("encoder/condition", 1, M + 3, c.coarse)
    shapes |= blocks("encoder/coarse", 0, c.coarse_blocks, c.coarse, 3)
    shapes |= conv(f"encoder/coarse/{c.coarse_blocks}", 1, c.coarse, D)
    shapes |= conv("decoder/coarse/0", 3, D + cond + 2 * c.concealment, c.coarse)
    shapes |= blocks("decoder/coarse", 1, c.coarse_blocks, c.coarse, 3)
    shapes |= conv("decoder/up", 1, c.coarse, c.fine * F) | conv("decoder/noise", 1, c.noise, c.fine)
    shapes |= blocks("decoder/fine", 0, c.fine_blocks, c.fine, 5)
    shapes |= conv(f"decoder/fine/{c.fine_blocks}", 3, c.fine, c.step)
    if c.concealment:
        shapes |= {"concealment/w1": (2 * K + 3, "W"), "concealment/b1": ("W",)}
        shapes |= {"concealment/w2": ("W", K), "concealment/b2": (K,)}
        shapes |= {"concealment/v1": (cond + 2, "V"), "concealment/c1": ("V",)}
        shapes |= {"concealment/v2": ("V", 2 * D), "concealment/c2": (2 * D,)}
    return shapes | {f"integer/{name}": shape for name, shape in integer_shapes(c).items()}


def integer_shapes(c: SpeechConfig) -> Shapes:
    """Return the shapes of the integer entropy model."""
    S, D, K, Q, W = c.n_vectors, c.n_latents, c.n_side, c.n_steps, c.hidden
    shapes: Shapes = {
        **side("side", K, c.context_resets),
        "latent_ws": (2 * K, "L"),
        "latent_bs": (Q, "L"),
        "latent_wp": ("L", S * W),
        "latent_bp": (S * W,),
        "latent_wy": (c.context * D, W),
        "latent_w2": (W, W),
        "latent_b2": (W,),
        "latent_w3": (W, 2 * D),
        "latent_b3": (2 * D,),
        "latent_tri_mean": (D, D),
        "latent_tri_scale": (D, D),
        "tables": TABLES_SHAPE,
    }
    if c.context_resets:
        shapes |= {**side("side_reset", K, True), **side("side_second", K, True), "flag": (3,), "reset_steps": (Q + 1,)}
        shapes |= {"latent_reset_ws": (K, "L"), "latent_reset_bs": (Q, "L"), "latent_reset_bp": (S * W,)}
    return shapes


def side(prefix: str, K: int, within: bool = False) -> Shapes:
    """Return the shapes of a model of side integers, with the part `within` or without."""
    H = f"{prefix} H"
    shapes: Shapes = {"w1": (2 * K, H), "b1": (H,), "w2": (H, 2 * K), "b2": (2 * K,), "skip": (2 * K, K)}
    shapes |= {"tri_mean": (K, K), "tri_scale": (K, K)} | ({"within": (K, H)} if within else {})
    return {f"{prefix}_{name}": shape for name, shape in shapes.items()}


def conv(name: str, k: int, cin: int | str, cout: int | str) -> Shapes:
    """Return the shapes of a convolution."""
    return {f"{name}/kernel": (k, cin, cout), f"{name}/bias": (cout,)}


def blocks(name: str, first: int, n: int, c: int, k: int) -> Shapes:
    """Return the shapes of residual blocks; pruning may have removed channels within them."""
    shapes: Shapes = {}
    for block in (f"{name}/{i}" for i in range(first, first + n)):
        shapes |= {f"{block}/scale": (c,), **conv(f"{block}/conv", k, c, block), **conv(f"{block}/point", 1, block, c)}
    return shapes
