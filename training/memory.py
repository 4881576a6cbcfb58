"""Memory of the allocator is kept from step to step. Called once, before the first tensor, by the trainer.

Every step allocates the same hundreds of megabytes. By default glibc gives large blocks back to the kernel when they
are freed, and each step then pays for 70,000 pages again: a tenth of its processor time.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Numbers of glibc's malloc.h."""
_TOP_PAD_BYTES = 256 << 20


def keep_freed_memory() -> bool:
    """Never give freed memory back while the process lives; False where the C library is another than glibc."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD_BYTES))
    return all(mallopt(number, value) == 1 for number, value in settings)
