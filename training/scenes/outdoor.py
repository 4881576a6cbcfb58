"""All outdoor layouts by name. The dataset draws training scenes from LAYOUTS; evaluation renders HELD_OUT."""

from __future__ import annotations

from depthwire.training.scenes import Layout, greens, open_ground, outdoor_held_out, passages, places, streets, works

LAYOUTS: dict[str, Layout] = {
    **streets.LAYOUTS,
    **passages.LAYOUTS,
    **open_ground.LAYOUTS,
    **greens.LAYOUTS,
    **places.LAYOUTS,
    **works.LAYOUTS,
}
HELD_OUT: dict[str, Layout] = dict(outdoor_held_out.HELD_OUT)
