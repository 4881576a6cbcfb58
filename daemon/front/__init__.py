"""The process that owns the sockets: everything between a client's message and a worker's job, and back.

Here are the loop and what it keeps account of. Never here, nor imported: worker, engines, results, torch, OpenCV. What
decodes or computes belongs to the worker, so that `health` is answered whatever the device is doing.
"""
