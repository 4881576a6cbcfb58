"""The depthwire daemon: a front process that owns the sockets, and worker processes that own the devices.

The way of one request, in the order of the files that it passes:

    front/inbox.py              reads its frames from the ROUTER socket; front/loop.py has protocol/ parse them
    front/presence.py           notes who is there, so that the work of clients that leave can be dropped
    front/authenticator.py      says whose key it came with, where the daemon has keys
    front/admission.py          checks its limits, by images/header.py, models/catalogue.py and models/geometry.py
    front/scheduler.py          keeps it among the others, within quotas.py, until its turn has come (turns.py)
    front/dispatcher.py         has its model loaded (loader.py), waits until it is needed (pacing.py), has room.py
                                reserve its result in seam/arena.py, and hands it to a worker
    front/supervisor.py         sends the job (seam/jobs.py) to the worker process, which it keeps alive
    ─────────────────────────── the wall between the two processes ───────────────────────────
    worker/intake.py            receives the job in the thread that will decode it
    images/decode.py            turns its bytes into pixels, once images/container.py has judged the file
    worker/pipeline.py          puts it into a batch with what shares its model and input size, and runs that
    engines/openvino.py         runs the network: or cuda.py, torch_cpu.py, null.py; its layers are in models/
    worker/result_writer.py     writes depth and points to their place in the arena, by results/ and seam/layout.py
    ─────────────────────────── and back ───────────────────────────
    front/dispatcher.py         hears that it is done, frees what it held, tells forecast, metrics and proof
    front/outbox.py             sends the reply, whose arrays are views of the arena, and frees them once they are sent

`__main__` reads the settings (config.py) and starts the front. config.py and logs.py are below all rooms.
"""
