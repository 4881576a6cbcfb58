"""What runs a network on a device: the Engine and Network protocols, one module for each engine, and their choice.

What a network computes belongs to models/, what is made of a depth map to results/; no engine knows of jobs or sockets.
"""

import sys

# `import openvino` tells Google Analytics that it was imported, and keeps an id in the user's home, by this package. As
# though it were not installed, OpenVINO goes on without; here, so that nobody imports an engine before this is said.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
