"""What workers are told, in words of seam/jobs.py: the options that each is started with, and a request as a job.

The dispatcher starts its workers and hands requests over by it.
"""

from __future__ import annotations

from depthwire.daemon.config import Config
from depthwire.daemon.front.scheduler import Pending
from depthwire.daemon.seam import jobs
from depthwire.daemon.seam.cores import usable_cores
from depthwire.daemon.seam.devices import worker_devices
from depthwire.protocol.options import PLAIN


def job_of(pending: Pending) -> jobs.Stage:
    """A request, whose memory is reserved, as its worker is told of it."""
    camera, layout, block, options = pending.camera, pending.layout, pending.result_block, pending.request.options
    return jobs.Stage(
        ticket=pending.ticket,
        encoder=pending.checkpoint.encoder,
        dataset=pending.checkpoint.dataset,
        input_height=pending.input_height,
        input_width=pending.input_width,
        image_offset=pending.image_block,
        image_length=pending.image_bytes,
        image_format=pending.image_format,
        width=pending.width,
        height=pending.height,
        depth_offset=layout.offset("depth_map", block),
        points_offset=layout.offset("pointcloud", block),
        scale=pending.scale,
        fx=camera.fx if camera else 1.0,
        fy=camera.fy if camera else 1.0,
        cx=camera.cx if camera else 0.0,
        cy=camera.cy if camera else 0.0,
        deadline=pending.deadline,
        colors_offset=layout.offset("colors", block),
        options=None if options is PLAIN else options.to_wire(),
        place=pending.place_at_worker,
    )


def worker_options(config: Config) -> list[jobs.WorkerOptions]:
    """One worker for each device. Where there is one, and `auto`, the worker finds out what it is."""
    devices = worker_devices(config.engine, config.device)
    threads = config.threads
    if not threads and len(devices) > 1:
        threads = max(1, usable_cores() // len(devices))  # alone, each worker would take all
    return [
        jobs.WorkerOptions(
            engine=config.engine,
            device=device,
            precision=config.precision,
            max_batch=config.max_batch,
            threads=threads,
            decode=config.decode,
            checkpoints=str(config.checkpoints) if config.checkpoints else None,
            download=config.download,
            log_level=config.log_level,
            log_format=config.log_format,
        )
        for device in devices
    ]
