"""Pictures come out for every load that can happen, also for one that nobody answered."""

from pathlib import Path

import pytest

from depthwire.bench.images import BenchImage
from depthwire.bench.load import LoadRun
from depthwire.bench.plan import LoadPlan
from depthwire.bench.plots import plot_loads
from depthwire.bench.records import OK, Records


def _run(picture: BenchImage, load: int, codes: list[str]) -> LoadRun:
    moments = [float(index) for index in range(len(codes))]
    done = [moment + 0.1 * load for moment in moments]
    records = Records(moments, moments, done, ["pc"] * len(codes), codes, [{} for _ in codes])
    plan = LoadPlan("tcp://127.0.0.1:1", [picture], {"pc": 1}, clients=load, deadline_ms=150)
    return LoadRun(plan, records, done, -1, 100, None)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("loads", [[1], [1, 2, 16]])
@pytest.mark.parametrize("codes", [[OK] * 20, [OK, "OVERLOADED"], ["BAD_IMAGE"], []])
def test_a_picture_is_drawn(picture: BenchImage, tmp_path: Path, loads: list[int], codes: list[str]) -> None:
    path = tmp_path / "new" / "load.png"
    assert plot_loads(path, [_run(picture, load, codes) for load in loads], "a title")
    assert path.read_bytes().startswith(b"\x89PNG")
