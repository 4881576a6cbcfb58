"""The picture the demo sends, drawn by us so that its depth is known exactly: a ray caster and a room.

Run as `python -m depthwire.client.demo.scene --out client/demo` when the room changes; the demo, the README and
the tests read the three files it writes. Needs numpy, and Pillow for saving; nothing calls it while depthwire runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from depthwire.client.demo.light import picture_of
from depthwire.client.demo.raycaster import Camera, depth_of
from depthwire.client.demo.room import room


def write_scene(folder: Path, camera: Camera | None = None, samples: int = 4) -> None:
    """Write scene.jpg, scene_depth.png (16-bit millimetres along the optical axis) and scene_camera.yaml.

    Raises PicturesUnavailableError without Pillow, OSError where the folder cannot be written.
    """
    from depthwire.client.view.pictures import pillow, save_depth_png16

    camera = camera or Camera()
    world = room()
    folder.mkdir(parents=True, exist_ok=True)
    save_depth_png16(folder / "scene_depth.png", depth_of(world, camera).astype(np.float32))
    rows = ", ".join("[" + ", ".join(f"{value:.10g}" for value in row) + "]" for row in camera.matrix)
    text = f"camera_matrix: [{rows}]\nwidth: {camera.width}\nheight: {camera.height}\n"
    (folder / "scene_camera.yaml").write_text(text, encoding="utf-8")
    photograph = pillow().Image.fromarray(picture_of(world, camera, samples))
    photograph.save(folder / "scene.jpg", quality=92, optimize=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """`python -m depthwire.client.demo.scene --out DIR`."""
    parser = argparse.ArgumentParser(prog="python -m depthwire.client.demo.scene", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for the three files")
    parser.add_argument("--samples", type=int, default=4, help="light paths per ray; more is smoother and slower")
    options = parser.parse_args(arguments)
    write_scene(options.out, samples=options.samples)


if __name__ == "__main__":
    main()
