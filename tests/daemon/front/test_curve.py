"""Who is let in: the allow-list as it changes, the authenticator as it fails, and the front when it has none."""

from __future__ import annotations

import errno
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from depthwire.client import DepthClient, DepthFuture
from depthwire.daemon.__main__ import default_model
from depthwire.daemon.config import Config, InvalidSettings
from depthwire.daemon.front import authenticator
from depthwire.daemon.front.authenticator import AllowList, Authenticator, demand_keys, make_authenticator
from depthwire.daemon.front.loop import Front
from depthwire.protocol.keys import KeyPair, public_key_text, read_public_key
from tests.curve import PATIENCE_S, STRANGERS, Keys, Peer, robot_and_stranger, with_key
from tests.pictures import jpeg


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return robot_and_stranger(tmp_path / "keys")


# the allow-list, by a clock of the test's own


def names(allowed: AllowList) -> set[str]:
    return set(allowed.names.values())


def test_the_list_follows_the_folder(keys: Keys) -> None:
    allowed = AllowList(keys.clients)
    allowed.refresh(0.0)
    assert names(allowed) == {"robot"}
    keys.make("anna", authorized=True)
    allowed.refresh(1.0)
    assert names(allowed) == {"robot", "anna"}
    keys.revoke("robot")
    allowed.refresh(2.0)
    assert names(allowed) == {"anna"}


def test_a_file_written_over_is_seen_though_neither_its_name_nor_its_size_nor_its_time_changed(keys: Keys) -> None:
    allowed = AllowList(keys.clients)
    allowed.refresh(0.0)
    (old,) = allowed.names
    file = keys.clients / "robot.pub"
    times = file.stat().st_atime_ns, file.stat().st_mtime_ns
    file.write_text(file.read_text().replace(old, zmq.curve_keypair()[0].decode()))
    os.utime(file, ns=times)
    allowed.refresh(1.0)
    assert names(allowed) == {"robot"}
    assert old not in allowed.names


def test_it_looks_no_more_than_twice_a_second(keys: Keys) -> None:
    allowed = AllowList(keys.clients)
    allowed.refresh(0.0)
    keys.revoke("robot")
    allowed.refresh(0.4)
    assert names(allowed) == {"robot"}
    allowed.refresh(0.6)
    assert not names(allowed)


def test_what_is_no_public_key_is_left_out_and_told_once(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    (keys.clients / "broken.pub").write_text("nothing")
    (keys.clients / "bad name.pub").write_text((keys.clients / "robot.pub").read_text())
    (keys.clients / ".hidden.pub").write_text((keys.folder / "stranger.pub").read_text())
    (keys.clients / "notes.txt").write_text("x")
    os.mkfifo(keys.clients / "pipe.pub")
    (keys.clients / "folder.pub").mkdir()
    (keys.clients / "dangling.pub").symlink_to("nowhere")
    allowed = AllowList(keys.clients)
    with caplog.at_level(logging.WARNING):
        for now in range(4):
            allowed.refresh(now)
    assert names(allowed) == {"robot"}
    assert caplog.text.count("broken.pub is not a key file") == 1


def test_a_key_under_two_names_has_one(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    (keys.clients / "zoe.pub").write_text((keys.clients / "robot.pub").read_text())
    allowed = AllowList(keys.clients)
    allowed.refresh(0.0)
    assert names(allowed) == {"robot"}
    assert "robot and zoe have the same key" in caplog.text


def test_a_folder_that_is_gone_admits_nobody_until_it_is_back(keys: Keys, caplog: pytest.LogCaptureFixture) -> None:
    allowed = AllowList(keys.clients)
    allowed.refresh(0.0)
    keys.clients.rename(keys.folder / "away")
    for now in (1.0, 2.0, 3.0):
        allowed.refresh(now)
        assert not names(allowed)
    assert caplog.text.count("nobody is let in") == 1
    (keys.folder / "away").rename(keys.clients)
    allowed.refresh(4.0)
    assert names(allowed) == {"robot"}


def reads_of(allowed: AllowList, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read from now on, one entry for each time."""
    files: list[str] = []

    def read(path: Any) -> str:
        files.append(Path(path).name)
        return read_public_key(path)

    monkeypatch.setattr(authenticator, "read_public_key", read)
    return files


@pytest.mark.parametrize("target", ["zz.pub", "nowhere.pub", "..", "/dev/null", "/proc/self/mem"])
def test_an_odd_entry_shuts_out_nobody_else(target: str, keys: Keys) -> None:
    """A link to itself, for one, cannot even be looked at."""
    allowed = AllowList(keys.clients)
    allowed.refresh(0.0)
    (keys.clients / "zz.pub").symlink_to(target)
    for now in (1.0, 2.0, 3.0):
        allowed.refresh(now)
        assert names(allowed) == {"robot"}


def test_an_entry_that_goes_between_two_looks_at_it_shuts_out_nobody_else(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.make("anna", authorized=True)
    allowed = AllowList(keys.clients)
    listdir = os.listdir

    def and_then_one_goes(folder: Any) -> list[str]:
        found = listdir(folder)
        keys.revoke("anna")
        return found

    monkeypatch.setattr(os, "listdir", and_then_one_goes)
    allowed.refresh(0.0)
    assert names(allowed) == {"robot"}


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.EIO])
def test_a_fault_of_the_machine_revokes_nobody_for_a_while_and_hides_no_revocation(
    code: int, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.make("anna", authorized=True)
    allowed = AllowList(keys.clients)
    for now in (0.0, 1.0):
        allowed.refresh(now)

    def fails(*_: Any) -> Any:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "listdir", fails)
    allowed.refresh(2.0)
    assert names(allowed) == {"robot", "anna"}
    assert allowed.problem is not None
    keys.revoke("anna")
    allowed.refresh(3.0)
    assert names(allowed) == {"robot"}
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", fails)
        for now in (4.0, 30.0, 63.0):
            allowed.refresh(now)
            assert names(allowed) == {"robot"}
        allowed.refresh(65.0)
        assert not names(allowed)
    monkeypatch.undo()
    allowed.refresh(66.0)
    assert names(allowed) == {"robot"}
    assert allowed.problem is None


def test_a_changed_file_that_cannot_be_read_keeps_its_key_for_a_while(
    keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = AllowList(keys.clients)
    for now in (0.0, 1.0):
        allowed.refresh(now)
    file = keys.clients / "robot.pub"
    file.write_text(file.read_text() + "\n")

    def fails(*_: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(authenticator, "read_public_key", fails)
        for now in (2.0, 61.0):
            allowed.refresh(now)
            assert names(allowed) == {"robot"}
        allowed.refresh(63.0)
        assert not names(allowed)
    allowed.refresh(64.0)
    assert names(allowed) == {"robot"}


def test_only_what_changed_is_read_and_little_in_one_call(keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(300):
        file = keys.clients / f"robot{number:03}.pub"
        file.write_text(public_key_text(KeyPair(zmq.curve_keypair()[0].decode(), ""), f"robot{number:03}"))
    allowed = AllowList(keys.clients)
    reads = reads_of(allowed, monkeypatch)

    def look(now: float) -> list[str]:
        """What one whole look reads, and no call of it more than a few."""
        reads.clear()
        allowed.refresh(now)
        most = len(reads)
        while allowed.is_busy:
            before = len(reads)
            allowed.refresh(now)
            most = max(most, len(reads) - before)
        assert most <= 32
        return list(reads)

    assert len(look(0.0)) == 301
    assert len(names(allowed)) == 301
    assert len(look(1.0)) == 301  # once more, as the clock of files is coarse
    assert look(2.0) == []
    (keys.clients / "robot007.pub").write_text((keys.folder / "stranger.pub").read_text())
    keys.revoke("robot")
    assert look(3.0) == look(4.0) == ["robot007.pub"]
    assert look(5.0) == []
    assert len(names(allowed)) == 300


def test_a_folder_that_everybody_may_write_into_is_not_believed(keys: Keys) -> None:
    keys.clients.chmod(0o777)
    with pytest.raises(InvalidSettings, match="everybody may write"):
        AllowList(keys.clients)


# settings


def test_key_and_folder_go_together(keys: Keys) -> None:
    context: zmq.Context[Any] = zmq.Context()
    with context, select.epoll() as poller:
        assert make_authenticator(Config(), context, poller) is None
        with pytest.raises(InvalidSettings, match="--curve-key needs --authorized-clients"):
            make_authenticator(Config(curve_key=keys.lab), context, poller)
        with pytest.raises(InvalidSettings, match="--authorized-clients needs --curve-key"):
            make_authenticator(Config(authorized_clients=keys.clients), context, poller)
        keys.lab.chmod(0o644)
        with context.socket(zmq.ROUTER) as router, pytest.raises(InvalidSettings, match="chmod 600"):
            demand_keys(router, keys.lab)


# the handshake, on a socket with the daemon's options


class Gate:
    """A ROUTER that demands keys, its authenticator, and the loop that the front would be."""

    def __init__(self, keys: Keys) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self._poller = select.epoll()
        self.authenticator = Authenticator(self.context, AllowList(keys.clients), self._poller)
        self.router = self.context.socket(zmq.ROUTER)
        self.router.linger = 0
        demand_keys(self.router, keys.lab)
        self.endpoint = f"tcp://127.0.0.1:{self.router.bind_to_random_port('tcp://127.0.0.1')}"

    def turn(self) -> None:
        self.authenticator.serve(time.monotonic())
        time.sleep(0.001)

    def received(self) -> list[list[bytes]]:
        messages = []
        while self.router.poll(0):
            messages.append(self.router.recv_multipart()[1:])
        return messages

    def admits(self, configure: Callable[[Any], object]) -> bool:
        with Peer(self.endpoint, configure) as peer:
            peer.send(b"let me in")
            return peer.outcome(self.turn)


@pytest.fixture
def gate(keys: Keys) -> Iterator[Gate]:
    gate = Gate(keys)
    yield gate
    gate.authenticator.close()
    gate.context.destroy(linger=0)


def exchange(gate: Gate, peer: Peer, text: bytes) -> None:
    """A message from a peer that is in: what was sent before by one that is not in would be here by now."""
    peer.send(text)
    give_up_at = time.monotonic() + PATIENCE_S
    received: list[list[bytes]] = []
    while [text] not in received:
        received += gate.received()
        gate.turn()
        assert time.monotonic() < give_up_at
    assert received == [[text]]


@pytest.mark.parametrize("who", STRANGERS)
def test_strangers_get_no_message_in_and_the_good_one_goes_on(who: str, gate: Gate, keys: Keys) -> None:
    with Peer(gate.endpoint, with_key(keys, keys.folder / "robot.key")) as good:
        assert good.outcome(gate.turn)
        exchange(gate, good, b"before")
        for _ in range(3):
            assert not gate.admits(STRANGERS[who](keys))
        exchange(gate, good, b"after")


def test_a_frame_tells_whose_key_it_came_with(gate: Gate, keys: Keys) -> None:
    with Peer(gate.endpoint, with_key(keys, keys.folder / "robot.key")) as good:
        assert good.outcome(gate.turn)
        good.send(b"hello")
        assert gate.router.poll(int(1e3 * PATIENCE_S))
        frame = gate.router.recv_multipart(copy=False)[-1]
        assert gate.authenticator.name_of(frame) == "robot"
        assert int(frame.get(zmq.SRCFD)) > 0
        keys.revoke("robot")
        gate.authenticator.allowed.refresh(time.monotonic() + 1)
        assert gate.authenticator.name_of(frame) is None


def test_an_empty_folder_admits_nobody(gate: Gate, keys: Keys) -> None:
    keys.revoke("robot")
    gate.authenticator.allowed.refresh(time.monotonic() + 1)
    assert not gate.admits(with_key(keys, keys.folder / "robot.key"))
    assert not gate.received()


def test_a_stopped_authenticator_admits_nobody(gate: Gate, keys: Keys) -> None:
    robot = with_key(keys, keys.folder / "robot.key")
    with Peer(gate.endpoint, robot) as before:
        assert before.outcome(gate.turn)
        gate.authenticator.close()
        for _ in range(3):
            with Peer(gate.endpoint, robot) as late:
                late.send(b"let me in")
                assert not late.outcome()
        for configure in STRANGERS.values():
            with Peer(gate.endpoint, configure(keys)) as stranger:
                stranger.send(b"let me in")
                assert not stranger.outcome()
        before.send(b"still here")
        assert gate.router.poll(int(1e3 * PATIENCE_S))
        assert gate.received() == [[b"still here"]]


def test_an_authenticator_that_dies_says_so_and_comes_back(gate: Gate, keys: Keys) -> None:
    robot = with_key(keys, keys.folder / "robot.key")
    broken = gate.authenticator
    assert broken._socket is not None
    broken._socket.close()
    broken.serve(100.0)
    assert not broken.is_alive
    broken.serve(100.5)
    assert not broken.is_alive
    give_up_at = time.monotonic() + PATIENCE_S
    now = 101.5
    while not broken.is_alive:  # ZeroMQ lets go of the name in its own time
        broken.serve(now)
        now += 1.5
        assert time.monotonic() < give_up_at
    assert gate.admits(robot)


def test_an_exception_refuses_one_handshake_and_no_other(
    gate: Gate, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    robot = with_key(keys, keys.folder / "robot.key")
    with monkeypatch.context() as patch:
        patch.setattr(gate.authenticator, "_decide", lambda *_: 1 / 0)
        assert not gate.admits(robot)
    assert gate.authenticator.is_alive
    assert "could not be decided" in caplog.text
    assert gate.admits(robot)


@pytest.mark.parametrize(
    "question",
    [
        [b"peer", b"", b"1.0", b"1", b"depthwire", b"127.0.0.1", b"", b"NULL"],
        [b"peer", b"", b"1.0", b"1", b"depthwire", b"127.0.0.1", b"", b"CURVE"],
        [b"peer", b"", b"1.0", b"1", b"depthwire", b"127.0.0.1", b"", b"CURVE", b"short"],
        [b"peer", b"", b"1.0", b"1", b"depthwire", b"127.0.0.1", b"", b"CURVE", b"0" * 32, b"0" * 32],
        [b"peer", b"", b"1.0", b"1", b"other", b"127.0.0.1", b"", b"CURVE", b"0" * 32],
        [b"peer", b"", b"2.0", b"1", b"depthwire", b"127.0.0.1", b"", b"CURVE", b"0" * 32],
        [b"peer", b"", b"1.0", b"1"],
    ],
)
def test_a_question_that_is_not_about_a_key_is_answered_no(question: list[bytes], gate: Gate) -> None:
    answer = gate.authenticator._answer(question, 0.0)
    assert answer is not None
    assert answer[4] in (b"400", b"500")
    assert gate.authenticator._answer(question[:3], 0.0) is None


def test_strangers_do_not_fill_the_log(gate: Gate, caplog: pytest.LogCaptureFixture) -> None:
    question = [b"peer", b"", b"1.0", b"1", b"depthwire", b"127.0.0.1", b"", b"CURVE", b"0" * 32]
    with caplog.at_level(logging.WARNING):
        for n in range(1000):
            gate.authenticator._answer(question, 10 + 1e-3 * n)
        gate.authenticator._answer(question, 20)
    assert len(caplog.records) == 2
    assert "and 999 before" in caplog.text
    assert gate.authenticator.refused == 1001


# the front itself, driven turn by turn


@pytest.fixture
def front(keys: Keys) -> Iterator[Front]:
    config = Config(bind=["tcp://127.0.0.1:*"], engine="null", curve_key=keys.lab, authorized_clients=keys.clients)
    front = Front(config, default_model(config))
    yield front
    front._close()


def drive(front: Front, until: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while not until():
        front._turn()
        assert time.monotonic() < give_up_at


def ask(front: Front, future: DepthFuture[Any]) -> Any:
    drive(front, future.done)
    return future.result(0)


def test_a_front_whose_authenticator_dies_is_unready_serves_who_is_in_and_recovers(front: Front, keys: Keys) -> None:
    names = {"server_key": keys.folder / "lab.pub", "client_key": keys.folder / "robot.key"}
    endpoint = front.endpoints[0]
    with DepthClient(endpoint, timeout=PATIENCE_S, **names) as client:
        drive(front, lambda: front.readiness().ready)
        assert ask(front, client.submit("metric_depth", jpeg(64, 48))).depth.shape == (48, 64)
        assert front.authenticator is not None
        assert front.authenticator._socket is not None
        front.authenticator._socket.close()
        drive(front, lambda: not front.readiness().ready)
        state = front.readiness()
        assert (state.status, state.degraded) == ("degraded", True)
        assert "authenticator" in state.problems[-1]
        health = client.submit("health")
        assert ask(front, client.submit("metric_depth", jpeg(64, 48))).depth.shape == (48, 64)
        assert ask(front, health)["ready"] is False
        drive(front, lambda: front.readiness().ready)
        with DepthClient(endpoint, timeout=PATIENCE_S, **names) as another:
            assert ask(front, another.submit("health"))["ready"] is True


def test_identities_are_forgotten_when_clients_leave(front: Front, keys: Keys) -> None:
    names = {"server_key": keys.folder / "lab.pub", "client_key": keys.folder / "robot.key"}
    for _ in range(3):
        with DepthClient(front.endpoints[0], timeout=PATIENCE_S, **names) as client:
            ask(front, client.submit("health"))
            assert set(front.metrics.names.values()) == {"robot"}
            closing = threading.Thread(target=client.close)
        closing.start()
        drive(front, lambda: not front.metrics.names)
        closing.join()
