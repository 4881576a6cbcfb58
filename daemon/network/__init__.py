"""The networks that a worker can run; only engines import from here, so nothing else knows a network's name."""
