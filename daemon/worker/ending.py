"""How a worker ends: at once, but not before what it has begun elsewhere is cleared away.

`__main__` calls it, and pipeline.py wherever the process must not go on.
"""

from __future__ import annotations

import logging
import os
from typing import NoReturn

from depthwire.daemon.models import staging
from depthwire.daemon.seam.children import end_children


def end_process(status: int) -> NoReturn:
    """End this process from any thread, whatever its others are at: they may be deep inside native code that no
    exception reaches. Its children end with it, and half a download or conversion does not stay on the disk.
    """
    end_children()
    staging.remove_own()
    logging.shutdown()
    os._exit(status)
