"""Everything that makes the starter model again: rendered scenes with exact depth, training, evaluation, export.

`depthwire-train` (cli.py) is the entry; README.md says how a run goes. Nothing of it is needed to serve depth.
"""
