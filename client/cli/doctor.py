"""`depthwire doctor`: what support would ask first, from this machine's versions to a picture that is answered.

Each step stands on those before it, so the first that fails is what is wrong. All times are measured on this machine's
monotonic clock alone: the daemon's may be wrong.
"""

from __future__ import annotations

import platform
import socket
import statistics
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import zmq

from depthwire.client.cli.session import Session
from depthwire.client.sync_client import DepthClient
from depthwire.client.view.faults import EXIT_CODES, CommandError, Exit, Fault, fault_of, print_json
from depthwire.protocol import VERSION, DepthwireError
from depthwire.protocol.distribution import installed_version

LOOK_TIMEOUT_S = 5.0
"""For a connection, and for the first bytes of whoever is there."""
PICTURE_TIMEOUT_S = 120.0
"""For the first picture, whose model may have to be loaded."""
ROUND_TRIPS = 5
_GREETING = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0"
"""How a peer of ZeroMQ begins to introduce itself (ZMTP 3.0): signature and version. The mechanism would come next,
but whoever is there tells its own first, and hangs up without a word on one that is not its own."""
_NOT_LISTENING = "Is depthwired running there, and bound to this address and not to another machine's loopback?"


@dataclass(frozen=True)
class Step:
    """One thing that was looked at: what was found, or the fault that ends the examination."""

    name: str
    text: str
    fault: Fault | None = None
    is_note: bool = False

    @property
    def verdict(self) -> str:
        return "FAULT" if self.fault else "note" if self.is_note else "ok"


class Unwell(Exception):
    """A step that failed; the examination ends."""

    def __init__(self, step: Step) -> None:
        super().__init__(step.text)
        self.step = step


@click.command(epilog=EXIT_CODES)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def doctor(session: Session, as_json: bool) -> int:
    """Find out what is wrong: versions, the way to the daemon, keys, its health, round trips, a picture.

    Ends with 0 where all is well, else with the exit code of what is wrong, which the last line names.
    """
    found: list[Step] = []
    for step in examine(session):
        found.append(step)
        if not as_json:
            click.echo(f"{step.verdict:<5}  {step.name:<10} {step.text}")
    fault = found[-1].fault
    if as_json:
        steps = [{"name": step.name, "verdict": step.verdict, "text": step.text} for step in found]
        print_json({"ok": fault is None, "steps": steps} | ({"error": fault.as_json()} if fault else {}))
    return fault.exit_code if fault else Exit.DONE


def examine(session: Session) -> Iterator[Step]:
    """All steps, in order, up to and including the first that fails."""
    yield _versions()
    try:
        with _open_client(session) as client:
            yield _settings(client, session)
            yield from _way_there(client)
            report, step = _health(client)
            yield step
            yield from _differences(report)
            yield _round_trips(client)
            yield _picture(client, report)
    except Unwell as error:
        yield error.step


def _versions() -> Step:
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    curve = "with" if zmq.has("curve") else "without"
    extras = ", ".join(
        f"{'' if find_spec(module) else 'no '}{name}"
        for module, name in (("cv2", "OpenCV"), ("PIL", "Pillow"), ("rosbags", "rosbags"), ("viser", "viser"))
    )
    return Step(
        "version",
        f"depthwire {installed_version()}, protocol {VERSION}; {system}; "
        f"pyzmq {zmq.__version__}, libzmq {zmq.zmq_version()} {curve} CURVE; {extras}",
    )


def _open_client(session: Session) -> DepthClient:
    try:
        return session.open_client(LOOK_TIMEOUT_S)
    except (CommandError, DepthwireError) as error:
        raise Unwell(Step("settings", fault_of(error).message, fault_of(error))) from None


def _settings(client: DepthClient, session: Session) -> Step:
    source = f", of the profile {session.profile}" if session.profile and not session.endpoint_given else ""
    return Step("settings", f"{client.endpoint}{source}, {'with' if client.has_keys else 'without'} keys")


def _way_there(client: DepthClient) -> Iterator[Step]:
    """Look at who listens at the endpoint, as ZeroMQ itself never tells: it tries again for ever."""
    transport, _, address = client.endpoint.partition("://")
    if transport == "tcp":
        host, _, port = address.rpartition(":")
        host = host.strip("[]")
        places = _resolved(host, port, client.endpoint)
        yield Step("address", f"{host} is {', '.join(sorted({str(place[4][0]) for place in places}))}")
        connection = _connected(places, client.endpoint)
    elif transport == "ipc" and not address.startswith("@"):
        connection = _connected_here(Path(address), client.endpoint)
    else:
        return
    with connection:
        yield _who_is_there(connection, client)


def _resolved(host: str, port: str, endpoint: str) -> list[tuple[Any, ...]]:
    try:
        return list(socket.getaddrinfo(host, int(port), socket.AF_UNSPEC, socket.SOCK_STREAM))
    except (OSError, ValueError, UnicodeError) as error:
        text = f"{endpoint}: {host} is no host that this machine knows ({error}). Is the name right?"
        raise _no_daemon("address", text) from None


def _connected(places: list[tuple[Any, ...]], endpoint: str) -> socket.socket:
    failure = ""
    for family, kind, protocol, _, place in places:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(LOOK_TIMEOUT_S)
        try:
            connection.connect(place)
        except TimeoutError:
            failure = f"no answer from {endpoint} within {LOOK_TIMEOUT_S:g} s: is a firewall in between?"
        except ConnectionRefusedError:
            failure = f"nothing listens on {endpoint}. {_NOT_LISTENING}"
        except OSError as error:
            failure = f"{endpoint} cannot be reached: {error.strerror or error}"
        else:
            return connection
        connection.close()
    raise _no_daemon("connection", failure)


def _connected_here(path: Path, endpoint: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(LOOK_TIMEOUT_S)
    try:
        connection.connect(str(path))
    except FileNotFoundError:
        text = f"{endpoint}: there is no such socket. Is depthwired running with --bind {endpoint}?"
    except PermissionError:
        text = f"{endpoint} is another user's: an ipc socket is for the user alone whom depthwired runs as"
    except ConnectionRefusedError:
        text = f"{endpoint}: the daemon that made this socket is gone. {_NOT_LISTENING}"
    except OSError as error:
        text = f"{endpoint} cannot be reached: {error.strerror or error}"
    else:
        return connection
    connection.close()
    raise _no_daemon("connection", text)


def _who_is_there(connection: socket.socket, client: DepthClient) -> Step:
    """Whether ZeroMQ speaks there, and by which mechanism; a peer says both before it is asked anything."""
    heard = b""
    begun = time.monotonic()
    try:
        connection.sendall(_GREETING)
        while len(heard) < 32 and (more := connection.recv(64)):
            heard += more
    except OSError:
        pass  # what was heard before that tells
    if len(heard) < 32 or (heard[0], heard[9]) != (0xFF, 0x7F):
        said = f"it says {heard[:16]!r}" if heard else "it says nothing"
        raise _no_daemon("connection", f"what listens on {client.endpoint} does not speak ZeroMQ: {said}")
    wants_keys = heard[12:32].rstrip(b"\0") == b"CURVE"
    if wants_keys and not client.has_keys:
        text = "the daemon there has keys: name its public one with --server-key and yours with --client-key"
        raise _no_daemon("keys", text)
    if client.has_keys and not wants_keys:
        text = "the daemon there has no keys, so that nobody would know who it is: start it with --curve-key"
        raise _no_daemon("keys", text)
    return Step("connection", f"ZeroMQ answers in {1e3 * (time.monotonic() - begun):.1f} ms")


def _health(client: DepthClient) -> tuple[dict[str, Any], Step]:
    try:
        report = dict(client.health())
    except DepthwireError as error:
        raise Unwell(Step("health", fault_of(error).message, fault_of(error))) from None
    problems = "; ".join(map(str, report.get("problems") or []))
    facts = f"{report.get('engine')} on {report.get('device')}, {report.get('precision')}"
    text = f"depthwired {report.get('version')} is {report.get('status')}: {facts}{'; ' if problems else ''}{problems}"
    if not report.get("ready"):
        text += "; it is not ready for pictures"
        raise Unwell(Step("health", text, Fault(text, Exit.REFUSED, {"code": "NOT_READY", "retryable": True})))
    return report, Step("health", text, is_note=bool(report.get("degraded")))


def _differences(report: dict[str, Any]) -> Iterator[Step]:
    if (theirs := report.get("version")) != installed_version():
        yield Step("versions", f"the daemon is {theirs}, this client {installed_version()}", is_note=True)
    if notice := report.get("notice"):
        yield Step("model", f"{report.get('default_model')} answers by default: {notice}", is_note=True)


def _round_trips(client: DepthClient) -> Step:
    try:
        times_ms = sorted(1e3 * _timed(client) for _ in range(ROUND_TRIPS))
    except DepthwireError as error:
        raise Unwell(Step("round trip", fault_of(error).message, fault_of(error))) from None
    return Step("round trip", f"{statistics.median(times_ms):.1f} ms, at most {times_ms[-1]:.1f} ms of {ROUND_TRIPS}")


def _timed(client: DepthClient) -> float:
    begun = time.monotonic()
    client.health()
    return time.monotonic() - begun


def _picture(client: DepthClient, report: dict[str, Any]) -> Step:
    side = max(64, int((report.get("limits") or {}).get("min_image_side") or 0))
    begun = time.monotonic()
    try:
        depth = client.metric_depth(grey_png(side), timeout=PICTURE_TIMEOUT_S)
    except DepthwireError as error:
        raise Unwell(Step("picture", fault_of(error).message, fault_of(error))) from None
    took_ms = 1e3 * (time.monotonic() - begun)
    text = f"{side}×{side} pixels answered by {depth.model} in {took_ms:.0f} ms"
    return Step("picture", text)


def grey_png(side: int) -> bytes:
    """A PNG of one colour, without Pillow or OpenCV, which a client need not have."""
    rows = (b"\0" + b"\x80\x80\x80" * side) * side
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def _no_daemon(name: str, text: str) -> Unwell:
    return Unwell(Step(name, text, Fault(text, Exit.NO_DAEMON, {"code": "CONNECTION_LOST", "retryable": True})))
