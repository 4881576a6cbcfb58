"""Whose turn it is: clients share seconds of the workers' time, whatever they ask for, and nobody saves time up."""

from __future__ import annotations

import pytest

from depthwire.daemon.front.turns import _MAX_IDLE, LEAST_COST_S, Turns

CHEAP, DEAR = (b"cheap",), (b"dear",)


@pytest.fixture
def turns() -> Turns:
    return Turns()


def next_of(turns: Turns, *clients: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return min(clients, key=lambda client: turns[client].order)


def test_two_clients_get_equal_seconds_whatever_theirs_cost(turns: Turns) -> None:
    cost = {CHEAP: 0.01, DEAR: 3.0}
    for client in cost:
        for _ in range(2000):
            turns.begin(client, 0)
    had = dict.fromkeys(cost, 0.0)
    for _ in range(1000):
        client = next_of(turns, *cost)
        turns.charge(client, cost[client])
        turns.end(client, 0)
        had[client] += cost[client]
    assert had[CHEAP] == pytest.approx(had[DEAR], abs=3.0)
    assert had[DEAR] >= 9.0


def test_what_was_charged_is_corrected_to_what_it_cost(turns: Turns) -> None:
    for client in (CHEAP, DEAR):
        turns.begin(client, 0)
        turns.begin(client, 0)
    turns.charge(DEAR, 0.1)
    turns.charge(CHEAP, 0.1)
    assert next_of(turns, CHEAP, DEAR) == DEAR  # they have had the same, and its turn is longer ago
    turns.settle(DEAR, 2.9, 1.0)
    for _ in range(29):
        assert next_of(turns, CHEAP, DEAR) == CHEAP
        turns.charge(CHEAP, 0.1)


def test_a_client_that_pauses_saves_nothing_up_and_is_spared_nothing(turns: Turns) -> None:
    turns.begin(CHEAP, 0)
    turns.begin(DEAR, 0)
    turns.charge(DEAR, 5.0)
    turns.end(DEAR, 0)
    for _ in range(10):
        turns.charge(CHEAP, 0.1)
    turns.begin(DEAR, 0)
    assert turns[DEAR].had_s == 5.0
    for _ in range(60):
        turns.charge(CHEAP, 0.1)
    newcomer = (b"new",)
    turns.begin(newcomer, 0)
    assert turns[newcomer].had_s == pytest.approx(6.9)
    assert turns.would_start_at((b"nobody",)) == pytest.approx(6.9)


def test_without_any_measure_every_request_counts_the_same(turns: Turns) -> None:
    turns.begin(CHEAP, 0)
    turns.charge(CHEAP, 0.0)
    assert turns[CHEAP].had_s == LEAST_COST_S


def test_accounts_of_clients_that_come_once_do_not_pile_up(turns: Turns) -> None:
    steady = (b"steady",)
    turns.begin(steady, 0)
    for number in range(20_000):
        client = (b"%d" % number,)
        turns.begin(client, 0)
        turns.charge(client, 1.0)
        turns.end(client, 0)
    assert len(turns) <= 2 * _MAX_IDLE + 1
    assert turns.get(steady) is not None
    turns.clear()
    assert len(turns) == 0
