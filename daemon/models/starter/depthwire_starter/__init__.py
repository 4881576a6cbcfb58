"""The weights of depthwire's built-in model, as a distribution of their own: 13 MB that a client never needs.

depthwire.daemon.models.checkpoints finds the file beside this one; nothing imports this package.
"""
