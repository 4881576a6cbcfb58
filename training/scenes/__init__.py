"""Layouts of scenes: each module makes scenes of one kind from a random generator. dataset.py draws from them."""

from collections.abc import Callable

import numpy as np

from depthwire.training.scene import Scene

Layout = Callable[[np.random.Generator], Scene]
"""Makes one scene; the same state of the generator gives the same scene."""
