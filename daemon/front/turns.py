"""Turns: whose request comes next, so that clients share the workers' time, whatever each of them asks for.

The scheduler keeps one account for each client, in seconds, and gives the turn to the client that has had the least.
This is start-time fair queueing (Goyal, Vin and Cheng 1996): who comes back after a pause starts where the others are,
and neither saves up what it did not use nor is spared what it used beyond its share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from depthwire.daemon.front.fair_queue import Client

_MAX_IDLE = 1024
"""Accounts kept of clients that have nothing waiting. Those with the latest turns are the ones to remember."""

LEAST_COST_S = 5e-4
"""What a request costs at the least, also where nothing has been measured: about what the front itself needs for it."""


@dataclass
class Account:
    """What one client has had of the workers' time."""

    had_s: float
    last_turn: int
    """Of two who have had the same, the one whose turn is longer ago comes first."""
    goes_first: bool = False
    """It had its turn, and its worker died over it."""
    waiting: int = 0
    waiting_bytes: int = 0
    served_at: float = float("-inf")

    @property
    def order(self) -> tuple[bool, float, int]:
        """Who has the lower one is next."""
        return (False, 0.0, 0) if self.goes_first else (True, self.had_s, self.last_turn)


class Turns:
    def __init__(self) -> None:
        self._accounts: dict[Client, Account] = {}
        self._level_s = 0.0
        """What the client had had that was served last: where newcomers start."""
        self._turn = 0
        self._tidy_above = 2 * _MAX_IDLE

    def __len__(self) -> int:
        return len(self._accounts)

    def get(self, client: Client) -> Account | None:
        """The account of a client that has requests waiting, or that has had more than its share lately."""
        return self._accounts.get(client)

    def __getitem__(self, client: Client) -> Account:
        return self._accounts[client]

    def begin(self, client: Client, image_bytes: int, *, first: bool = False) -> None:
        """A request of this client waits; `first` for one whose worker died."""
        account = self._accounts.get(client)
        if account is None:
            account = self._accounts[client] = Account(self._level_s, self._next_turn())
        elif not account.waiting:
            account.had_s = max(account.had_s, self._level_s)
        account.goes_first |= first
        account.waiting += 1
        account.waiting_bytes += image_bytes

    def end(self, client: Client, image_bytes: int) -> None:
        """One of them does not wait any more."""
        account = self._accounts[client]
        account.waiting -= 1
        account.waiting_bytes -= image_bytes
        if len(self._accounts) > self._tidy_above:
            self._tidy()

    def charge(self, client: Client, cost_s: float) -> None:
        """It is this client's turn, for something that will cost about so much."""
        account = self._accounts[client]
        self._level_s = max(self._level_s, account.had_s)
        account.had_s += max(cost_s, LEAST_COST_S)
        account.last_turn = self._next_turn()
        account.goes_first = False

    def settle(self, client: Client, difference_s: float, now: float) -> None:
        """What a client was charged for cost so much more, or less, and is done."""
        if (account := self._accounts.get(client)) is not None:
            account.had_s += difference_s
            account.served_at = now

    def had_less_than(self, client: Client) -> Iterator[tuple[Client, Account]]:
        """Those who have had less than this client."""
        had_s = self._accounts[client].had_s
        return ((other, account) for other, account in self._accounts.items() if account.had_s < had_s)

    def charged_before(self, client: Client, had_s: float, cost_s: float) -> int:
        """How many requests of `cost_s` another client gets before one who has had `had_s` is at the same level."""
        account = self._accounts[client]
        return max(0, int((had_s - account.had_s) / max(cost_s, LEAST_COST_S) + 1e-6))

    def would_start_at(self, client: Client) -> float:
        """What a client has had, if it sent something now."""
        account = self._accounts.get(client)
        return self._level_s if account is None else max(account.had_s, 0.0 if account.waiting else self._level_s)

    def clear(self) -> None:
        """Nothing is open any more, so nobody has had more than others could have had."""
        self._accounts.clear()
        self._level_s = 0.0

    def _tidy(self) -> None:
        idle = [(account.last_turn, client) for client, account in self._accounts.items() if not account.waiting]
        for _, client in sorted(idle)[: max(0, len(idle) - _MAX_IDLE)]:
            del self._accounts[client]
        self._tidy_above = max(2 * _MAX_IDLE, 2 * len(self._accounts))

    def _next_turn(self) -> int:
        self._turn += 1
        return self._turn
