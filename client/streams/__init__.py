"""Streams of frames: the core that decides and its pump, the iterators that users hold, sources and sinks of frames.

What the command line says about a stream belongs to cli/.
"""
