"""Answers out: where a result lies, resampling to the picture's size, projection to points, a request's options.

Arithmetic on numpy arrays alone: nothing here knows a network, a job or a process.
"""
