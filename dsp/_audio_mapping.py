"""Search in memory-mapped files without keeping their pages in memory.

Place in the chain: below the modules that find recordings in the data of a file. Delay: none.
"""

import mmap
import re

_PART_BYTES = 1 << 24
_OVERLAP_BYTES = 64  # longer than every pattern


def first_match(pattern: re.Pattern[bytes], data: bytes | mmap.mmap, at: int) -> int:
    """Return the first position from `at` on where a pattern matches, or -1.

    Examples
    --------
    >>> first_match(re.compile(b"b."), b"abcabc", 2)
    4
    """
    for start in range(at, len(data), _PART_BYTES):
        found = pattern.search(data, start, min(start + _PART_BYTES + _OVERLAP_BYTES, len(data)))
        release(data)
        if found:
            return found.start()
    return -1


def release(data: bytes | mmap.mmap) -> None:
    """Release the memory pages of a mapped file that were read."""
    if isinstance(data, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED)
