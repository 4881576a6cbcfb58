"""The catalogue tells what each checkpoint is; model keys are read and written the same way everywhere."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthwire.daemon.models.catalogue import (
    APACHE,
    CATALOGUE,
    NON_COMMERCIAL,
    Checkpoint,
    InvalidInputSize,
    ModelKey,
    UnknownModel,
    lookup,
    model_key,
    parse_model_key,
)

released = [checkpoint for checkpoint in CATALOGUE if not checkpoint.builtin]


def test_it_lists_the_starter_and_every_released_checkpoint() -> None:
    assert [checkpoint.name for checkpoint in CATALOGUE if checkpoint.builtin] == ["vitt_starter"]
    assert {checkpoint.name for checkpoint in released} == {
        f"{encoder}_{dataset}" for encoder in ("vits", "vitb", "vitl") for dataset in ("hypersim", "vkitti", "relative")
    }


@pytest.mark.parametrize("checkpoint", released, ids=lambda checkpoint: checkpoint.name)
def test_released_checkpoints_are_pinned_by_commit_and_checksum(checkpoint: Checkpoint) -> None:
    assert re.fullmatch("[0-9a-f]{40}", checkpoint.revision)
    assert re.fullmatch("[0-9a-f]{64}", checkpoint.sha256)


def test_no_two_checkpoints_share_a_file_a_commit_or_a_checksum() -> None:
    for attribute in ("file_name", "hub_repository", "revision", "sha256"):
        assert len({getattr(checkpoint, attribute) for checkpoint in released}) == len(released)


@pytest.mark.parametrize(
    ("name", "file_name", "repository"),
    [
        ("vits_hypersim", "depth_anything_v2_metric_hypersim_vits.pth", "Depth-Anything-V2-Metric-Hypersim-Small"),
        ("vitb_vkitti", "depth_anything_v2_metric_vkitti_vitb.pth", "Depth-Anything-V2-Metric-VKITTI-Base"),
        ("vitl_relative", "depth_anything_v2_vitl.pth", "Depth-Anything-V2-Large"),
    ],
)
def test_files_have_their_official_names(name: str, file_name: str, repository: str) -> None:
    checkpoint = lookup(*name.split("_"))
    assert (checkpoint.file_name, checkpoint.hub_repository) == (file_name, f"depth-anything/{repository}")


def test_only_the_small_ones_may_be_used_commercially() -> None:
    for checkpoint in CATALOGUE:
        expected = APACHE if checkpoint.encoder in ("vits", "vitt") else NON_COMMERCIAL
        assert checkpoint.licence == expected
        assert checkpoint.non_commercial == (expected == NON_COMMERCIAL)


def test_max_depth_belongs_to_the_dataset() -> None:
    ranges = {"hypersim": 20.0, "vkitti": 80.0, "starter": 80.0, "relative": None}
    for checkpoint in CATALOGUE:
        assert checkpoint.native_max_depth == ranges[checkpoint.dataset]
        assert checkpoint.metric == (checkpoint.native_max_depth is not None)


def test_starter_says_what_it_is_and_how_to_replace_it() -> None:
    note = lookup("vitt", "starter").note
    for part in ("rendered scenes", "AbsRel 0.69", "--checkpoints", "--model"):
        assert part in note


@given(checkpoint=st.sampled_from(CATALOGUE), size=st.integers(4, 110).map(lambda patches: 14 * patches))
def test_keys_are_read_as_they_are_written(checkpoint: Checkpoint, size: int) -> None:
    key = model_key(checkpoint.encoder, checkpoint.dataset, size)
    assert str(key) == f"{checkpoint.name}_{size}"
    assert parse_model_key(str(key)) == key


def test_without_a_size_a_key_takes_the_checkpoints_own() -> None:
    assert parse_model_key("vitt_starter") == ModelKey("vitt", "starter", 154)
    assert parse_model_key("vitl_vkitti") == ModelKey("vitl", "vkitti", 518)


@pytest.mark.parametrize("text", ["vitg_hypersim_518", "vits_starter", "vits_nyu_518", "vits", "", "vits_hypersim_x"])
def test_an_unknown_model_is_answered_with_what_there_is(text: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        parse_model_key(text)
    assert isinstance(caught.value, KeyError)
    for checkpoint in CATALOGUE:
        assert checkpoint.name in str(caught.value)


@pytest.mark.parametrize("size", [0, 14, 42, 100, 519, 1554, 999999])
def test_a_size_that_no_model_takes_is_refused_with_the_rule(size: int) -> None:
    with pytest.raises(InvalidInputSize, match="multiple of 14 between 56 and 1540"):
        parse_model_key(f"vits_hypersim_{size}")


@given(text=st.text(max_size=30))
def test_any_text_gives_a_key_or_one_of_the_two_errors(text: str) -> None:
    with contextlib.suppress(UnknownModel, InvalidInputSize):
        assert str(parse_model_key(text)).startswith(text)
