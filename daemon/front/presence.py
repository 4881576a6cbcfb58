"""Who is still connected: learns from the ROUTER's monitor that a client has gone, so that its work can be dropped.

ROUTER tells nobody that a peer left. Its monitor does, by the connection's file descriptor, and every received frame
knows the descriptor that it came through. The front notes requests, then hears the monitor, in this order, every turn.
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
        self._clients: dict[int, dict[Client, None]] = {}
        """By descriptor, in the order in which they were noted."""
        self._new: set[int] = set()
        self._replaced: list[Client] = []
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
        if known is None:
            self._clients[descriptor] = {client: None}
            self._new.add(descriptor)
        elif client not in known:
            # Several clients behind one connection are a proxy's; they share the routing id that ROUTER gave it.
            if next(iter(known))[0] != client[0]:
                self._replaced += known
                known.clear()
                self._new.add(descriptor)
            known[client] = None
            if len(known) > CLIENTS_REMEMBERED:
                return self._forget_idle(known)
        return []

    def _forget_idle(self, known: dict[Client, None]) -> list[Client]:
        """Look at the two that were noted longest ago: more than come, so that the busy ones alone can pile up."""
        forgotten = []
        for client in list(itertools.islice(known, 2)):
            del known[client]
            if self._is_busy(client):
                known[client] = None
            else:
                forgotten.append(client)
        return forgotten

    def departed(self, is_told: bool = True) -> list[Client]:
        """The clients that have gone since the last call; asked for once a turn.

        `is_told` says whether the monitor's descriptor had become readable before this turn's requests were read. If it
        had not, the monitor is looked at only after requests through descriptors that were unknown: their number may
        have been another's until then, whose end would be taken for theirs if it were heard in a later turn. ZeroMQ
        writes that end before the system can give the number away, so it is there to be read.
        """
        gone, self._replaced = self._replaced, []
        closed: set[int] = set()
        is_told = is_told or bool(self._new)
        while is_told and int(self.monitor.getsockopt(zmq.EVENTS)) & _READABLE:  # a quarter of what poll() costs
            event = recv_monitor_message(self.monitor, zmq.DONTWAIT)
            descriptor = int(event["value"])
            if event["event"] == zmq.Event.DISCONNECTED:
                closed.add(descriptor)
            elif descriptor in closed and descriptor in self._new:
                # Closed and accepted again within one turn, and first heard of in it: whoever was noted may be the
                # new owner of the number. Letting a gone client's work run is the harmless mistake of the two.
                closed.discard(descriptor)
        for descriptor in closed:
            gone += self._clients.pop(descriptor, ())
        self._new.clear()
        return gone

    def close(self) -> None:
        """Let the monitor go; the context could not end with it open."""
        self._router.disable_monitor()
        self.monitor.close(linger=0)
