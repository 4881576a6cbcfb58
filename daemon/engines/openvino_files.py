"""What the conversion to OpenVINO leaves behind: its files and how it ends. openvino.py reads what
openvino_conversion.py wrote; they meet here because importing that one imports torch.
"""

MODEL_FILE = "network.xml"
POSITIONS_FILE = "positions.npy"

EXIT_WRONG_CHECKPOINT = 65
"""The checkpoint is not what it should be (EX_DATAERR)."""
EXIT_CANNOT_WRITE = 73
"""The folder cannot take the result (EX_CANTCREAT)."""
