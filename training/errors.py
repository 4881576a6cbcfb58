"""The root of what can go wrong in a training command through no fault of the code: the text says what to do next."""

from __future__ import annotations


class TrainingError(Exception):
    """The command line shows its text and ends."""
