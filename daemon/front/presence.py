"""Who is still connected: learns from the ROUTER's monitor that a client has gone, so that its work can be dropped.

ROUTER tells nobody that a peer left. Its monitor does, by the connection's file descriptor, and every received frame
knows the descriptor that it came through. The front notes requests, then hears the monitor, in this order, every turn.

A descriptor's number is given to the next client at once, and what the one who left had sent may still be read among
the newcomer's requests. So who is there is told by the monitor and by the order of connections, which the routing ids
that ROUTER counts up give: a message of an earlier connection is from somebody who has gone, and says nothing of the
one that has its number now.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from depthwire.daemon.front.scheduler import Client

CLIENTS_REMEMBERED = 1024
"""Of one connection: a proxy may stay for months, and every peer behind it is a client of its own."""

_READABLE = int(zmq.POLLIN)
"""A plain number: what the enumeration's own `&` does takes longer than asking ZeroMQ."""


class Presence:
    def __init__(self, router: zmq.Socket[bytes], is_busy: Callable[[Client], bool]) -> None:
        """`is_busy` tells whether a client has open requests, which somebody must hear of when it goes."""
        self._router = router
        self._is_busy = is_busy
        self._clients: dict[int, dict[Client, bool]] = {}
        """By descriptor, in the order in which they were noted: whether ROUTER gave the connection its number."""
        self._newest: dict[int, int] = {}
        """By descriptor, the number of the last connection that was heard through it, open or not."""
        self._heard: dict[int, set[bytes]] = {}
        """By descriptor, the connections that may have begun since the monitor was read last."""
        self._closed: set[int] = set()
        """Descriptors of which an end is the last that the monitor told."""
        self._gone: dict[Client, bool] = {}
        events = zmq.Event.ACCEPTED | zmq.Event.DISCONNECTED
        self.monitor: zmq.Socket[Any] = router.get_monitor_socket(events)
        # ZeroMQ wakes a reader that has found nothing, so the descriptor tells of nothing before the first look.
        self.monitor.getsockopt(zmq.EVENTS)

    def note(self, client: Client, frame: zmq.Frame) -> list[Client]:
        """A request of this client arrived in this frame; returns those that are forgotten for it.

        They have nothing open, and are noted again when they ask again.
        """
        descriptor = int(frame.get(zmq.SRCFD))
        known = self._clients.get(descriptor)
        is_numbered = known.get(client) if known is not None else None
        if is_numbered:
            return []
        routing_id = client[0]
        number = _number_given(routing_id, frame) if is_numbered is None else None
        if number is None:  # such a connection cannot be told from an earlier one of the same name
            self._heard.setdefault(descriptor, set()).add(routing_id)
        else:
            newest = self._newest.get(descriptor)
            if newest is None or _is_later(number, newest):
                self._take_over(descriptor, number, routing_id)
            elif number != newest or known is None:
                self._gone[client] = True  # what it sent before it went is still being read
                return []
        known = self._clients.setdefault(descriptor, {})
        known[client] = number is not None
        return self._forget_idle(known) if len(known) > CLIENTS_REMEMBERED else []

    def _take_over(self, descriptor: int, number: int, routing_id: bytes) -> None:
        """A connection is heard for the first time: those before it, through the same descriptor, have ended."""
        self._newest[descriptor] = number
        self._heard.setdefault(descriptor, set()).add(routing_id)
        known = self._clients.get(descriptor, {})
        for client in [client for client, is_numbered in known.items() if is_numbered]:
            del known[client]
            self._gone[client] = True

    def _forget_idle(self, known: dict[Client, bool]) -> list[Client]:
        """Look at the two that were noted longest ago: more than come, so that the busy ones alone can pile up."""
        forgotten = []
        for client in list(itertools.islice(known, 2)):
            is_numbered = known.pop(client)
            if self._is_busy(client):
                known[client] = is_numbered
            else:
                forgotten.append(client)
        return forgotten

    def departed(self, is_told: bool = True) -> list[Client]:
        """The clients that have gone since the last call; asked for once a turn.

        `is_told` says whether the monitor's descriptor had become readable before this turn's requests were read. If it
        had not, the monitor is looked at only after requests of connections that were unknown: what it tells of their
        descriptors' former owners would be taken for theirs if it were heard in a later turn. ZeroMQ writes the end of
        a connection before the system can give its number away, and a beginning before its first message, so both are
        there to be read.
        """
        told_of: set[int] = set()
        is_told = is_told or bool(self._heard)
        while is_told and int(self.monitor.getsockopt(zmq.EVENTS)) & _READABLE:  # a quarter of what poll() costs
            event = recv_monitor_message(self.monitor, zmq.DONTWAIT)
            descriptor = int(event["value"])
            told_of.add(descriptor)
            (self._closed.add if event["event"] == zmq.Event.DISCONNECTED else self._closed.discard)(descriptor)
        for descriptor in told_of | (self._heard.keys() & self._closed):
            # A beginning ends what was there before as well. Who was heard for the first time in this turn may be the
            # one that has begun: letting a gone client's work run is the harmless mistake of the two.
            staying = self._heard.get(descriptor, set()) if descriptor not in self._closed else set()
            known = self._clients.pop(descriptor, {})
            self._gone |= {client: is_numbered for client, is_numbered in known.items() if client[0] not in staying}
            if kept := {client: is_numbered for client, is_numbered in known.items() if client[0] in staying}:
                self._clients[descriptor] = kept
        self._heard.clear()
        gone, self._gone = self._gone, {}
        # A peer that chose its name may be back under it, through another descriptor.
        return [client for client, is_numbered in gone.items() if is_numbered or not self._is_there(client)]

    def _is_there(self, client: Client) -> bool:
        return any(client in known for known in self._clients.values())

    def close(self) -> None:
        """Let the monitor go; the context could not end with it open."""
        self._router.disable_monitor()
        self.monitor.close(linger=0)


def _number_given(routing_id: bytes, frame: zmq.Frame) -> int | None:
    """The number in a routing id that ROUTER gave, a zero and 32 bits; None for one that the peer chose itself.

    A peer that chose one says so when it connects. Of those that say nothing (other protocols) nothing is believed, or
    an invented number could make everybody who gets the descriptor next look like somebody who has gone.
    """
    try:
        is_chosen = frame.get("Identity") != ""
    except (zmq.ZMQError, UnicodeDecodeError):
        return None
    if is_chosen or len(routing_id) != 5 or routing_id[0]:
        return None
    return int.from_bytes(routing_id[1:], "big")


def _is_later(number: int, other: int) -> bool:
    """Whether a connection came after another one: ROUTER counts them, from a random number on, with a wrap."""
    return 0 < (number - other) % 2**32 < 2**31
