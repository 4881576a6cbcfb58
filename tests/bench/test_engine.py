"""An engine alone: measured in its own process, compared with float32 torch, and honest about what is not there."""

from pathlib import Path

import numpy as np
import pytest

from depthwire.bench.engine import EngineChoice, accuracy_cells, relative_difference, speed_cells, speed_table
from depthwire.bench.images import BenchImage
from depthwire.bench.rig import EngineFailure, RigOptions, engine_rig
from depthwire.bench.weights import RANDOM_WEIGHTS, checkpoints_for


def test_the_table_has_a_row_for_each_batch_size_and_one_for_an_engine_that_is_not_here(picture: BenchImage) -> None:
    choices = [EngineChoice.parse("null"), EngineChoice.parse("abacus:float8")]
    rows = speed_table(RigOptions("vitt_starter"), choices, [picture], [1, 3], 0.01, lambda _: None)
    assert [(row["choice"], row.get("batch")) for row in rows] == [
        ("null:auto", 1),
        ("null:auto", 3),
        ("abacus:float8", None),
    ]
    assert rows[1]["infer_ms"]["samples"] >= 3
    assert "abacus" in rows[2]["failure"]
    assert "abacus" in " ".join(speed_cells(rows[2]))


def test_a_rig_gives_the_depth_map_of_an_image_in_metres_and_survives_a_bad_one(picture: BenchImage) -> None:
    with engine_rig(RigOptions("vitt_starter", "null")) as rig:
        with pytest.raises(EngineFailure, match="image"):
            rig.depth(BenchImage("broken", picture.data[:200], 160, 120))
        depth = rig.depth(picture)
    assert depth.shape == (120, 160)
    assert np.all(depth == 40)  # half of the starter's 80 m


def test_the_relative_difference_is_that_of_each_pixel_to_the_reference() -> None:
    reference = np.array([[1.0, 2.0], [4.0, 0.0]], np.float32)
    assert relative_difference(reference, reference).max() == 0
    assert relative_difference(reference * np.float32(1.5), reference)[1, 0] == pytest.approx(0.5)
    row = {
        "model": "m",
        "engine": "e",
        "precision": "p",
        "mean": 0.006,
        "p99": 0.1,
        "max": 1.0,
        "fit_as_default": False,
    }
    assert accuracy_cells(row) == ["m", "e p", "0.6000 %", "10.0000 %", "100.0000 %", "no"]


def test_random_weights_stand_under_the_official_name_and_give_depth_that_varies(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from depthwire.bench.images import synthetic_pixels
    from depthwire.daemon.models.depth_anything import build
    from depthwire.daemon.models.preprocess import normalise

    spare = tmp_path / "weights"
    folder, kind = checkpoints_for("vits_hypersim", tmp_path, spare)
    path = spare / "depth_anything_v2_metric_hypersim_vits.pth"
    assert (folder, kind) == (spare, RANDOM_WEIGHTS)
    written = path.stat().st_mtime_ns
    assert checkpoints_for("vits_hypersim", None, spare)[0] == spare
    assert path.stat().st_mtime_ns == written
    network = build("vits", True, path)
    with torch.inference_mode():
        depth = network(torch.from_numpy(normalise(synthetic_pixels(126, 98, seed=3), 98, 126))[None]).numpy()
    assert 0.02 < depth.std() < 0.4
    assert 0.05 < depth.mean() < 0.95
