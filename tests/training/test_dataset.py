"""Shards of rendered pictures: what is stored, what comes back, and in which order a trainer sees it."""

from __future__ import annotations

import importlib
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
import pytest

from depthwire.training import dataset, materials, scenes
from depthwire.training.augment import Augmentation, make_batch
from depthwire.training.sampling import NoPictures, Sampler
from depthwire.training.shards import (
    Shard,
    UnreadableShard,
    decode_colour,
    decode_depth,
    encode_colour,
    encode_depth,
    find_shards,
)


def test_depth_comes_back_within_a_ten_thousandth_and_sky_as_infinite() -> None:
    depth = np.array([[0.06, 0.5, 2.0, 79.9, 640.0, np.inf]], np.float32)
    back = decode_depth(encode_depth(depth))
    np.testing.assert_allclose(back[:, :-1], depth[:, :-1], rtol=1e-4)
    assert np.isinf(back[0, -1])


def test_stored_light_is_right_on_average_down_into_the_shadows() -> None:
    rng = np.random.default_rng(0)
    ramp = np.geomspace(0.002, 1.0, 40, dtype=np.float32)
    linear = np.broadcast_to(ramp[:, None, None], (40, 3000, 3)).copy()
    codes, white = encode_colour(linear, rng)
    back = decode_colour(codes, white).mean(axis=(1, 2))
    np.testing.assert_allclose(back, ramp, rtol=0.03)


def test_a_shard_is_a_function_of_seed_and_number_alone(data: Path) -> None:
    first = find_shards(data)[1].path
    before = first.read_bytes()
    plan = dataset.RenderPlan(data, pictures=12, seed=3, shard_pictures=8)
    first.unlink()
    dataset.render_shard(plan, 1)
    assert first.read_bytes() == before
    assert plan.path(0).read_bytes()[-5000:] != before[-5000:]
    other = dataset.RenderPlan(data, pictures=12, seed=4, shard_pictures=8)
    dataset.render_shard(other, 1)
    assert other.path(1).read_bytes()[-5000:] != before[-5000:]


def test_a_shard_holds_pictures_with_depth_and_facts(data: Path) -> None:
    shards = find_shards(data)
    assert [len(shard) for shard in shards] == [8, 4]
    sample = shards[0].sample(2)
    assert sample.linear.shape == (48, 64, 3)
    assert sample.depth.shape == (48, 64)
    assert (sample.kind, sample.outdoors) == ("yard", True)
    surface = sample.depth[np.isfinite(sample.depth)]
    assert 0.5 < surface.min() < 12


def test_a_damaged_shard_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "train-0-00000.shard.safetensors"
    path.write_bytes(b"cut off")
    with pytest.raises(UnreadableShard, match=r"train-0-00000.*render again"):
        len(Shard(path))


def test_every_picture_is_seen_once_before_any_twice_and_new_shards_come_first(data: Path) -> None:
    late = sorted(data.iterdir())[1]
    aside = late.with_suffix(".aside")
    late.rename(aside)
    sampler = Sampler(data, seed=0, plan_pictures=4)
    seen = [(shard.path.name, number) for shard, number in sampler.take(8)]
    assert len(set(seen)) == 8
    aside.rename(late)
    assert {shard.path.name for shard, _ in sampler.take(3)} == {late.name}


def test_a_layout_of_half_the_weight_is_seen_half_as_often_and_one_of_none_never(data: Path) -> None:
    halved = find_shards(data)[0].path.name  # eight pictures; the other shard has four

    class OfTwoLayouts(Sampler):
        def _weight_of(self, shard: Shard, number: int) -> float:
            return super()._weight_of(shard, number) if shard.path.name == halved else 1.0

    seen = [shard.path.name for shard, _ in OfTwoLayouts(data, seed=0, weights={"yard": 0.5}).take(80)]
    assert 36 <= seen.count(halved) <= 44  # 8 · 0.5 : 4 · 1
    never = [shard.path.name for shard, _ in OfTwoLayouts(data, seed=0, weights={"yard": 0.0}).take(80)]
    assert halved not in never
    with pytest.raises(NoPictures, match="weight is 0"):
        Sampler(data, seed=0, weights={"yard": 0.0})


def test_a_folder_without_pictures_says_how_to_make_some(tmp_path: Path) -> None:
    with pytest.raises(NoPictures, match="depthwire-train render"):
        Sampler(tmp_path, seed=0)


def test_a_batch_is_normalised_and_its_depth_goes_with_its_picture(data: Path) -> None:
    shard = find_shards(data)[0]
    picks = [(shard, number) for number in range(8)]
    pictures, depths = make_batch(picks, 28, 42, np.random.default_rng(1), Augmentation())
    again, _ = make_batch(picks, 28, 42, np.random.default_rng(1), Augmentation())
    assert pictures.shape == (8, 3, 28, 42)
    assert depths.shape == (8, 28, 42)
    np.testing.assert_array_equal(pictures, again)
    assert abs(pictures.mean()) < 2
    # The sky of this scene is bluer than its ground, whatever was cropped and mirrored.
    blueness = pictures[:, 2] - pictures[:, 0]
    sky = np.isinf(depths)
    assert blueness[sky].mean() > blueness[~sky].mean()


def test_a_weight_for_an_unknown_layout_is_refused_with_the_known_ones(yards: None, tmp_path: Path) -> None:
    with pytest.raises(dataset.NoLayouts, match=r"no layout street; there are yard"):
        dataset.layouts_of(dataset.RenderPlan(tmp_path, 8, 0, weights={"street": 2.0}))


def test_every_layout_can_be_drawn_by_its_name() -> None:
    """A name of two layouts would leave one of them out."""
    for held_out, constant in ((False, "LAYOUTS"), (True, "HELD_OUT")):
        modules = [
            importlib.import_module(f"{scenes.__name__}.{module.name}") for module in iter_modules(scenes.__path__)
        ]
        there = {layout for module in modules for layout in getattr(module, constant, {}).values()}
        assert set(dataset.all_layouts(held_out).values()) == there


def test_two_layouts_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    corridors = importlib.import_module(f"{scenes.__name__}.corridors")
    monkeypatch.setitem(corridors.LAYOUTS, "arcade", corridors.corridor)
    with pytest.raises(dataset.NoLayouts, match=r"two layouts are called arcade; give the one in .* another name"):
        dataset.all_layouts(held_out=False)


def test_held_out_scenes_show_no_tile_that_is_trained_on() -> None:
    pools = []
    try:
        for held_out in (False, True):
            materials.choose_pool(held_out)
            pools.append({tile.tobytes() for tile in materials.pool().texels})
    finally:
        materials.choose_pool(held_out=False)
    plain = {tile for tile in pools[1] if len(set(tile)) <= 4}  # of one colour: nothing to know again
    assert not pools[0] & (pools[1] - plain)
    assert len(pools[1] - plain) >= 80
