"""The depthwire daemon: a front process that owns the sockets and worker processes that own the devices.

A request passes through front.py, image_header.py, scheduler.py, worker.py and an engine, in that order.
"""
