"""Measuring depthwire: a load generator, the engine and the transport on their own, servers to compare with, reports.

`cli` is the `depthwire-bench` command and where reading starts. The room imports the client and the protocol; the few
modules that also import the daemon, and why, say so at their head.
"""
