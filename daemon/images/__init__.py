"""Pictures in: the size in a header, the container around a picture, and decoding with limits.

Bytes from strangers arrive here first. The front reads headers only; whatever touches a decoder is the worker's.
"""
