"""What a network is: the catalogue, where weights come from, input geometry, and a module for each family's layers.

The front reads catalogue, checkpoints and geometry, which import nothing heavy; the layers are for engines alone.
"""
