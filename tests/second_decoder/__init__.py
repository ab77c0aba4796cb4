"""A second decoder of `.cq` files and live packets: written from docs/bitstream.md alone, in plain Python integers.

It shares no code with the package, and says in the page's names and order what the page says. It returns integers.
"""

from .files import decoder_for, read_file
from .notation import Damaged
from .range_decoder import BoundedRangeDecoder, RangeDecoder

__all__ = ["BoundedRangeDecoder", "Damaged", "RangeDecoder", "decoder_for", "read_file"]
