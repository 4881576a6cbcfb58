"""What runs a network on a device: the Engine and Network protocols, one module for each engine, and their choice.

What a network computes belongs to models/, what is made of a depth map to results/; no engine knows of jobs or sockets.
"""
