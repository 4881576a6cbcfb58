"""Layouts of scenes: each module makes scenes of one kind from a random generator. dataset.py draws from them."""
