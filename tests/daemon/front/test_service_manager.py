"""What systemd hears: ready once, the status when it changes, and a heartbeat that stops when there is no hope."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from depthwire.daemon.front.readiness import Limits, Readiness
from depthwire.daemon.front.service_manager import ServiceManager

LIMITS = Limits.of(30.0, 10.0, start_timeout_s=100.0)
LOADING = Readiness("loading", False, False, ["worker 0 is starting"])
OK = Readiness("ok", True, False)
DEGRADED = Readiness("degraded", False, True, ["worker 0 has ended and is being replaced"])


class Systemd:
    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.setblocking(False)
        self.state = LOADING
        self.supervisor: Any = SimpleNamespace(links=[None])
        self.environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000", "HOME": "/"}

    def manager(self) -> ServiceManager:
        return ServiceManager.from_environment(self.supervisor, LIMITS, lambda: self.state, self.environment)

    def heard(self) -> list[str]:
        texts = []
        while True:
            try:
                texts.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return texts


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    systemd = Systemd(str(tmp_path / "notify"))
    yield systemd
    systemd.socket.close()


def test_ready_is_said_once_and_the_status_when_it_changes(systemd: Systemd) -> None:
    manager = systemd.manager()
    manager.turn(0.0)
    assert systemd.heard() == ["STATUS=loading; worker 0 is starting", "WATCHDOG=1"]
    systemd.state = OK
    manager.turn(1.0)
    assert systemd.heard() == ["READY=1", "STATUS=ok"]
    for second in range(2, 10):
        manager.turn(float(second))
    assert systemd.heard() == []
    systemd.state = DEGRADED
    manager.turn(10.0)
    assert systemd.heard() == ["STATUS=degraded; worker 0 has ended and is being replaced"]
    systemd.state = OK
    manager.turn(11.0)
    assert systemd.heard() == ["STATUS=ok"]
    manager.stopping()
    assert systemd.heard() == ["STOPPING=1"]


def test_the_watchdog_is_fed_at_half_its_interval(systemd: Systemd) -> None:
    manager, systemd.state = systemd.manager(), OK
    fed = []
    for tenth in range(1000):
        manager.turn(0.1 * tenth)
        fed += [0.1 * tenth for text in systemd.heard() if text == "WATCHDOG=1"]
    assert fed == pytest.approx([0.0, 15.0, 30.0, 45.0, 60.0, 75.0, 90.0], abs=1.0)


def test_the_watchdog_starves_where_no_worker_comes_up_any_more(systemd: Systemd) -> None:
    manager, systemd.state = systemd.manager(), DEGRADED
    fed = []
    for second in range(600):
        manager.turn(float(second))
        fed += [second for text in systemd.heard() if text == "WATCHDOG=1"]
    assert 150 < max(fed) <= 2 * LIMITS.start_s


def test_the_last_replies_get_their_time(systemd: Systemd) -> None:
    systemd.manager().closing(90.0)
    assert systemd.heard() == ["WATCHDOG_USEC=90000000\nWATCHDOG=1"]


def test_the_variables_are_not_for_the_workers(systemd: Systemd) -> None:
    systemd.manager()
    assert systemd.environment == {"HOME": "/"}


def test_a_watchdog_that_is_another_process_s_is_not_fed(systemd: Systemd) -> None:
    systemd.environment["WATCHDOG_PID"] = "1"
    manager = systemd.manager()
    manager.turn(0.0)
    manager.turn(100.0)
    assert "WATCHDOG=1" not in systemd.heard()
    manager.closing(9.0)
    assert systemd.heard() == []


def test_an_abstract_socket_is_found(tmp_path: Path) -> None:
    systemd = Systemd(f"@depthwire-test-{tmp_path}")
    systemd.manager().turn(0.0)
    assert systemd.heard()
    systemd.socket.close()


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "vsock:2:1"])
def test_without_a_manager_nothing_happens(systemd: Systemd, address: str) -> None:
    systemd.environment["NOTIFY_SOCKET"] = address
    manager = systemd.manager()
    manager.turn(0.0)
    manager.stopping()
    manager.closing(1.0)
