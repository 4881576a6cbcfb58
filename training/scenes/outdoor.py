"""All outdoor layouts by name. The dataset draws training scenes from LAYOUTS; evaluation renders HELD_OUT."""

from __future__ import annotations

from depthwire.training.scenes import Layout, open_ground, outdoor_held_out, places, streets

LAYOUTS: dict[str, Layout] = {**streets.LAYOUTS, **open_ground.LAYOUTS, **places.LAYOUTS}
HELD_OUT: dict[str, Layout] = dict(outdoor_held_out.HELD_OUT)
