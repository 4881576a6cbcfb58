"""What a worker keeps loaded: the least recently used goes first, and nothing that is in use goes at all."""

from __future__ import annotations

import pytest

from depthwire.daemon.front.residency import PROMOTE_AFTER, RETRY_FAILED_S, Bucket, Residency, State
from depthwire.daemon.models import catalogue
from depthwire.daemon.models.catalogue import Checkpoint

A = catalogue.lookup("vits", "hypersim")
B = catalogue.lookup("vits", "vkitti")
C = catalogue.lookup("vitb", "hypersim")


def bucket(checkpoint: Checkpoint, width: int = 518) -> Bucket:
    return Bucket(checkpoint, 518, width)


def loaded(residency: Residency, *checkpoints: Checkpoint, size: int = 40) -> None:
    for at, checkpoint in enumerate(checkpoints):
        assert residency.make_room(checkpoint, size, now=100.0) == []
        residency.set(checkpoint, State.READY, size, float(at))


def use(residency: Residency, checkpoint: Checkpoint, now: float) -> None:
    residency.begin(bucket(checkpoint), f"{checkpoint.name}_518", now)
    residency.end(bucket(checkpoint))


def test_there_is_room_while_the_budget_holds() -> None:
    residency = Residency(100)
    loaded(residency, A, B)
    assert [resident.checkpoint for resident in residency] == [A, B]
    assert residency.has(A)
    assert residency.is_ready(bucket(A))


def test_the_least_recently_used_goes_first_and_no_more_than_must() -> None:
    residency = Residency(100)
    loaded(residency, A, B)
    use(residency, A, 10.0)
    assert residency.make_room(C, 40, now=100.0) == [B]
    assert residency.has(A)
    assert not residency.has(B)


def test_several_go_where_one_is_not_enough() -> None:
    residency = Residency(100)
    loaded(residency, A, B)
    assert residency.make_room(C, 90, now=100.0) == [A, B]


def test_what_is_in_use_is_never_evicted_however_old() -> None:
    residency = Residency(100)
    loaded(residency, A, B)
    residency.begin(bucket(A), "vits_hypersim_518", 0.5)
    assert residency.make_room(C, 40, now=100.0) == [B]
    residency.set(C, State.READY, 40, 2.0)
    residency.begin(bucket(C), "vitb_hypersim_518", 2.0)
    assert residency.make_room(B, 40, now=100.0) is None
    residency.end(bucket(A))
    assert residency.make_room(B, 40, now=100.0) == [A]


def test_nothing_is_evicted_where_that_would_not_make_enough_room() -> None:
    residency = Residency(100)
    loaded(residency, A, B)
    residency.begin(bucket(A), "vits_hypersim_518", 5.0)
    assert residency.make_room(C, 80, now=100.0) is None
    assert residency.has(B)


def test_what_is_loading_is_neither_evicted_nor_forgotten_in_the_sum() -> None:
    residency = Residency(100)
    residency.set(A, State.LOADING, 60, 0.0)
    assert residency.make_room(B, 60, now=100.0) is None
    assert not residency.is_ready(bucket(A))


def test_one_that_is_larger_than_the_budget_is_let_in_alone() -> None:
    residency = Residency(100)
    loaded(residency, A, B)
    assert residency.make_room(C, 500, now=100.0) == [A, B]
    residency.set(C, State.READY, 500, 3.0)
    assert residency.make_room(A, 40, now=100.0) == [C]


def test_what_the_worker_reports_replaces_the_size_of_the_file() -> None:
    residency = Residency(100)
    residency.set(A, State.LOADING, 10, 0.0)
    residency.set(A, State.READY, 80, 1.0)
    assert residency.make_room(B, 40, now=100.0) == [A]


def test_a_failed_load_is_not_tried_again_at_once_and_takes_no_room() -> None:
    residency = Residency(100)
    assert residency.wants_load(A, 0.0)
    residency.set(A, State.LOADING, 100, 0.0)
    assert not residency.wants_load(A, 1000.0)
    residency.set(A, State.FAILED, 0, 5.0)
    assert not residency.wants_load(A, 5.0 + RETRY_FAILED_S - 0.1)
    assert residency.wants_load(A, 5.0 + RETRY_FAILED_S)
    assert residency.make_room(B, 100, now=100.0) == []
    assert not residency.is_ready(bucket(A))


def test_what_is_ready_wants_no_load_and_what_was_evicted_does() -> None:
    residency = Residency(100)
    loaded(residency, A, B)
    assert not residency.wants_load(A, 1e6)
    assert residency.make_room(C, 40, now=100.0) == [A]
    assert residency.wants_load(A, 0.0)


def test_the_names_that_health_lists_are_the_default_one_and_those_asked_for() -> None:
    residency = Residency(100)
    loaded(residency, A)
    residency.begin(bucket(A), "vits_hypersim_252", 1.0)
    (resident,) = residency
    assert resident.models == {"vits_hypersim_518", "vits_hypersim_252"}
    assert resident.in_flight == 1


def test_the_end_of_a_request_whose_checkpoint_is_gone_is_no_error() -> None:
    Residency(100).end(bucket(A))


def test_input_sizes_need_no_warming_unless_the_engine_says_so() -> None:
    residency = Residency(100)
    loaded(residency, A)
    assert residency.is_ready(bucket(A, 9996))
    assert not residency.wants_warming(bucket(A), 0.0)


def test_an_input_size_is_ready_once_it_is_warm() -> None:
    residency = Residency(100, max_shapes=2)
    assert not residency.wants_warming(bucket(A), 0.0)  # its checkpoint comes first
    loaded(residency, A)
    assert not residency.is_ready(bucket(A))
    assert residency.wants_warming(bucket(A), 0.0)
    residency.set_shape(bucket(A), State.LOADING, 0.0)
    assert not residency.wants_warming(bucket(A), 0.0)
    assert not residency.is_ready(bucket(A))
    residency.set_shape(bucket(A), State.READY, 1.0)
    assert residency.is_ready(bucket(A))
    assert not residency.is_ready(bucket(A, 686))


def test_a_failed_warming_waits_before_it_is_tried_again_and_takes_no_place() -> None:
    residency = Residency(100, max_shapes=1)
    loaded(residency, A)
    residency.set_shape(bucket(A), State.FAILED, 5.0)
    assert not residency.wants_warming(bucket(A), 5.0 + RETRY_FAILED_S - 0.1)
    assert residency.wants_warming(bucket(A), 5.0 + RETRY_FAILED_S)
    assert residency.make_room_for_shape(bucket(A), 100.0) == []


def run_eagerly(residency: Residency, bucket: Bucket, times: int, now: float) -> None:
    for _ in range(times):
        assert residency.is_ready(bucket)
        residency.begin(bucket, "vits_hypersim_518", now)
        residency.end(bucket)


def full(residency: Residency) -> None:
    """Two sizes are ready, of two that are kept: of A used at 3, of B at 2."""
    loaded(residency, A, B)
    residency.set_shape(bucket(A), State.READY, 1.0)
    residency.set_shape(bucket(B), State.READY, 2.0)
    use(residency, A, 3.0)


def test_an_input_size_without_a_place_runs_without_one() -> None:
    residency = Residency(100, max_shapes=2)
    full(residency)
    other = bucket(A, 686)
    assert not residency.is_ready(other)
    assert residency.make_room_for_shape(other, 4.0) is None
    assert residency.is_ready(other)
    assert residency.is_ready(bucket(A))
    assert residency.is_ready(bucket(B))


def test_the_least_recently_used_input_size_makes_way_for_one_that_ran_often_without_a_place() -> None:
    residency = Residency(100, max_shapes=2)
    full(residency)
    other = bucket(A, 686)
    residency.make_room_for_shape(other, 4.0)
    run_eagerly(residency, other, PROMOTE_AFTER - 1, 5.0)
    assert residency.make_room_for_shape(other, 6.0) is None
    assert not residency.promotes
    run_eagerly(residency, other, 1, 6.0)
    assert residency.promotes
    assert residency.make_room_for_shape(other, 7.0) == [bucket(B)]
    assert not residency.is_ready(bucket(B))
    residency.set_shape(other, State.LOADING, 7.0)
    assert not residency.is_ready(other)
    residency.set_shape(other, State.READY, 8.0)
    assert residency.is_ready(other)
    assert not residency.promotes


def test_an_input_size_that_is_made_ready_does_not_run_meanwhile() -> None:
    residency = Residency(100, max_shapes=2)
    full(residency)
    other = bucket(A, 686)
    residency.make_room_for_shape(other, 4.0)
    run_eagerly(residency, other, PROMOTE_AFTER - 1, 5.0)
    residency.begin(other, "vits_hypersim_686", 5.0)
    assert residency.make_room_for_shape(other, 6.0) is None
    assert not residency.is_ready(other)
    residency.end(other)
    assert residency.make_room_for_shape(other, 7.0) == [bucket(B)]


def test_sizes_in_rotation_beyond_those_that_are_kept_take_nobody_s_place() -> None:
    residency = Residency(100, max_shapes=2)
    loaded(residency, A)
    sizes = [bucket(A, 14 * number) for number in range(30, 35)]
    warmed = []
    for turn in range(200):
        now, size = float(turn), sizes[turn % len(sizes)]
        if residency.wants_warming(size, now) and residency.make_room_for_shape(size, now) is not None:
            residency.set_shape(size, State.READY, now)
            warmed.append(size)
        run_eagerly(residency, size, 1, now)
    assert warmed == sizes[:2]


def test_a_size_that_was_eager_for_long_gets_the_place_of_one_that_is_not_used_any_more() -> None:
    residency = Residency(100, max_shapes=2)
    full(residency)
    other = bucket(A, 686)
    for turn in range(100):
        now = 10.0 + turn
        if turn < 50:
            use(residency, A, now)
            use(residency, B, now)
        if not residency.wants_warming(other, now) or residency.make_room_for_shape(other, now) is not None:
            break
        run_eagerly(residency, other, 1, now)
    assert 50 < turn < 50 + 3 * PROMOTE_AFTER


@pytest.mark.parametrize("busy", ["in use", "being made"])
def test_an_input_size_that_is_in_use_or_being_made_is_not_forgotten(busy: str) -> None:
    residency = Residency(100, max_shapes=1)
    loaded(residency, A)
    residency.set_shape(bucket(A), State.LOADING if busy == "being made" else State.READY, 1.0)
    if busy == "in use":
        residency.begin(bucket(A), "vits_hypersim_518", 1.0)
    other = bucket(A, 686)
    assert residency.make_room_for_shape(other, 2.0) is None
    run_eagerly(residency, other, PROMOTE_AFTER, 3.0)
    assert residency.make_room_for_shape(other, 4.0) is None
    assert residency.is_ready(other)


def test_the_sizes_that_are_counted_without_a_place_are_bounded() -> None:
    residency = Residency(100, max_shapes=1)
    loaded(residency, A)
    residency.set_shape(bucket(A), State.READY, 1.0)
    for number in range(1000):
        assert residency.make_room_for_shape(bucket(A, 14 * number + 1), 2.0) is None
    (resident,) = residency
    assert len(resident.eager) <= 64


def test_a_checkpoint_that_is_being_warmed_is_not_evicted() -> None:
    residency = Residency(100, max_shapes=2)
    loaded(residency, A)
    residency.set_shape(bucket(A), State.LOADING, 0.0)
    assert residency.make_room(B, 90, now=100.0) is None
    residency.set_shape(bucket(A), State.READY, 0.0)
    assert residency.make_room(B, 90, now=100.0) == [A]


def test_time_slices_are_over_only_when_nothing_is_loading() -> None:
    residency = Residency(100)
    loaded(residency, A)
    assert not residency.slices_are_over(0.5)
    assert residency.slices_are_over(10.0)
    residency.set(B, State.LOADING, 60, 10.0)
    assert not residency.slices_are_over(100.0)
    residency.set(B, State.FAILED, 0, 100.0)
    assert residency.slices_are_over(101.0)
