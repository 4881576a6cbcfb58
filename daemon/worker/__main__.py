"""The worker process's entry: makes the engine that its options name and runs the pipeline until the front ends it.

front/supervisor.py starts it, with the descriptors of what the two share.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys

from depthwire.daemon.logs import set_up_logging
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.cores import usable_cores
from depthwire.daemon.worker.ending import end_process

log = logging.getLogger("depthwire.worker")


def main() -> None:
    """Entry of the process: `python -m depthwire.daemon.worker CHANNEL_FD STARTS_FD ARENA_FD OPTIONS_JSON`."""
    channel_fd, starts_fd, arena_fd, options_json = sys.argv[1:]
    options = jobs.WorkerOptions(**json.loads(options_json))
    set_up_logging(options.log_level, options.log_format)
    threads = options.threads or usable_cores()
    channel, starts = socket.socket(fileno=int(channel_fd)), socket.socket(fileno=int(starts_fd))
    try:
        # Here and not above: a package that is missing or broken is to be told as a device that is not there.
        from depthwire.daemon.engines.choose import create_engine
        from depthwire.daemon.engines.engine import EngineOptions
        from depthwire.daemon.worker.pipeline import Worker

        engine_options = EngineOptions(options.device, options.precision, options.max_batch, threads)
        engine = create_engine(options.engine, engine_options)
    except Exception as error:
        is_refusal = isinstance(error, (ValueError, ImportError))
        # Anything else (a device out of memory, a driver that is not up yet) may pass, and its traceback tells more.
        log.critical("the engine cannot start: %s", error, exc_info=not is_refusal)
        logging.shutdown()
        os._exit(os.EX_CONFIG if is_refusal else os.EX_TEMPFAIL)  # at once: the front is about to end what hung up
    Worker(channel, starts, int(arena_fd), engine, options, threads).run()
    end_process(0)  # the front has all it waits for


if __name__ == "__main__":
    main()
