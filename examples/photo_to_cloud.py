"""A photo, its depth, its point cloud, and a picture of each step. The cells run one by one in VS Code or Jupyter.

    depthwired                                             # in one terminal
    python examples/photo_to_cloud.py photo.jpg out/       # in another, or cell by cell

Needs Pillow: pip install '.[pictures]' in a checkout.
"""

# %% Which photo, and whose depth
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from depthwire.client import CameraIntrinsics, DepthClient
from depthwire.client.view.pictures import depth_picture, side_by_side
from depthwire.client.view.ply import write_ply

photo = Path(sys.argv[1] if len(sys.argv) > 1 else "photo.jpg")
out = Path(sys.argv[2] if len(sys.argv) > 2 else "out")
endpoint = sys.argv[3] if len(sys.argv) > 3 else "tcp://127.0.0.1:5555"
out.mkdir(parents=True, exist_ok=True)

# %% The photo, and a camera with an assumed field of view (a calibration makes the metres right)
picture = Image.open(photo).convert("RGB")
camera = CameraIntrinsics.from_field_of_view(60, *picture.size)

# %% One request gives the points and the depth map
with DepthClient(endpoint) as client:
    cloud = client.pc(photo, camera)
print(f"{len(cloud.points)} points from {cloud.min:.2f} to {cloud.max:.2f} m, by {cloud.model}")

# %% The cloud as the picture's camera does not see it: from the side, by height above the lowest point
colours = np.asarray(picture).reshape(-1, 3)
near = cloud.points[:, 2] <= np.nanpercentile(cloud.points[:, 2], 90)
x, y, z = cloud.points[near].T
size = 600
scale = (size - 1) / max(float(np.ptp(z)), float(np.ptp(y)), 1e-6)
side = np.full((size, size, 3), 255, np.uint8)
side[((y - y.max()) * scale).astype(int) - 1, ((z - z.min()) * scale).astype(int)] = colours[near]

# %% Everything side by side, and the cloud for MeshLab, CloudCompare or Blender
panels = [("photo", picture), ("depth", depth_picture(cloud.depth)), ("the cloud from the side", side)]
side_by_side(panels, width=600).save(out / "photo_to_cloud.png")
count = write_ply(out / "cloud.ply", cloud.points, colours)
print(f"{out / 'photo_to_cloud.png'}, {out / 'cloud.ply'} ({count} points)")
