"""`depthwired --check`: goes through what a start would need, says each as a line, and serves nobody.

`__main__` calls it. Beside looking at settings and files it starts the workers that the settings name, has them load
the models that are here and run a tiny picture, with a front that listens only on a private socket of its own.
"""

from __future__ import annotations

import errno
import os
import platform
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click
import zmq

from depthwire.daemon.config import Config, InvalidSettings, parse_address
from depthwire.daemon.front.authenticator import AllowList
from depthwire.daemon.front.endpoints import check_endpoints
from depthwire.daemon.front.loop import Front
from depthwire.daemon.front.residency import State
from depthwire.daemon.models import checkpoints
from depthwire.daemon.models.catalogue import (
    Checkpoint,
    InvalidInputSize,
    ModelKey,
    UnknownModel,
    lookup,
    model_key,
    parse_model_key,
)
from depthwire.daemon.packages import missing_packages, package_versions
from depthwire.daemon.seam.memory import usable_memory_bytes
from depthwire.protocol.distribution import install_hint, installed_version
from depthwire.protocol.keys import InvalidKeyError, read_key_file


class Report:
    """Lines of `ok`, `note` and `FAULT` on standard output; `faults` counts what would keep a start from working."""

    def __init__(self, say: Callable[[str], object] = click.echo) -> None:
        self.faults = 0
        self._say = say

    def ok(self, what: str, text: str) -> None:
        self._line("ok", what, text)

    def note(self, what: str, text: str) -> None:
        self._line("note", what, text)

    def fault(self, what: str, text: str) -> None:
        self.faults += 1
        self._line("FAULT", what, text)

    def _line(self, verdict: str, what: str, text: str) -> None:
        self._say(f"{verdict:<5}  {what:<10} {' '.join(text.split())}")


def check(config: Config) -> int:
    """Check all that `config` names, and print it. 0 if the daemon would come up with it, else 78 (EX_CONFIG)."""
    report = Report()
    system = f"Python {platform.python_version()}, {platform.system()} {platform.release()} {platform.machine()}"
    report.ok("version", f"depthwired {installed_version()}, {system}")
    has_packages = check_packages(report, config)
    check_listening(report, config)
    check_keys(report, config)
    models = check_models(report, config)
    check_memory(report, config)
    if has_packages and models is not None:
        check_workers(report, config, models)
    return os.EX_CONFIG if report.faults else 0


def check_packages(report: Report, config: Config) -> bool:
    """Whether all packages are installed without which nothing would run."""
    missing = missing_packages(config)
    if missing:
        report.fault("packages", f"not installed: {', '.join(missing)}; {install_hint('daemon')}")
    else:
        report.ok("packages", ", ".join(package_versions()))
    return not missing


def check_listening(report: Report, config: Config) -> None:
    """Endpoints and the metrics' address: may they be, and are they free. Binds nothing for longer than a moment."""
    try:
        check_endpoints(config.bind, has_keys=config.curve_key is not None, insecure=config.insecure)
    except InvalidSettings as error:
        report.fault("endpoints", str(error))
    for endpoint in config.bind:
        if endpoint.startswith("tcp://"):
            _check_tcp(report, "endpoints", endpoint, endpoint.removeprefix("tcp://"))
        else:
            report.ok("endpoints", endpoint)
    if config.metrics:
        _check_tcp(report, "metrics", f"http://{config.metrics}", config.metrics)


def _check_tcp(report: Report, what: str, name: str, address: str) -> None:
    host, _, port = address.rpartition(":")
    if not port.isdigit() or port == "0" or host in ("*",):
        report.ok(what, name)  # any port, or a name of an interface, which ZeroMQ alone makes sense of
        return
    try:
        host, number = parse_address(address)
        family, _, _, _, place = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except ValueError as error:
        report.fault(what, f"{name}: {error}")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            report.note(what, f"{name} is in use: a daemon that runs already, or else another program")
        else:
            report.fault(what, f"cannot listen on {name}: {error.strerror or error}")
    else:
        report.ok(what, f"{name} is free")


def check_keys(report: Report, config: Config) -> None:
    """The daemon's own key and the folder of those who may use it."""
    key, folder = config.curve_key, config.authorized_clients
    if key is None and folder is None:
        report.ok("keys", "none: for this machine alone" + (", or for everybody (--insecure)" * config.insecure))
        return
    if not zmq.has("curve"):
        report.fault("keys", "this installation of ZeroMQ has no CURVE; pyzmq's wheels do")
        return
    if key is None or folder is None:
        report.fault("keys", "--curve-key and --authorized-clients go together, and one of them is not given")
        return
    try:
        public = zmq.curve_public(read_key_file(key).secret.encode()).decode()
        allowed = AllowList(folder)
        allowed.refresh(float("-inf"))
    except (InvalidKeyError, InvalidSettings, OSError) as error:
        report.fault("keys", str(error))
        return
    if not allowed.names:
        report.note("keys", f"public key {public}; nobody may use the daemon yet: {folder} has no .pub file")
    else:
        report.ok("keys", f"public key {public}; {len(allowed.names)} clients in {folder}")


def check_models(report: Report, config: Config) -> list[ModelKey] | None:
    """The default model and those to preload, as far as they are on this machine; None where one cannot be."""
    try:
        default = parse_model_key(config.model) if config.model else checkpoints.default_model(config.checkpoints)
        wanted = list(dict.fromkeys([default, *map(parse_model_key, config.preload)]))
    except (UnknownModel, InvalidInputSize) as error:
        report.fault("models", f"--model or --preload: {error}")
        return None
    here: list[ModelKey] = []
    for key in wanted:
        checkpoint = lookup(key.encoder, key.dataset)
        role = "answers by default" if key == default else "is preloaded"
        path = checkpoints.find_on_disk(checkpoint, config.checkpoints)
        if path is not None:
            here.append(key)
            report.ok("models", f"{key} {role}: {path}, {path.stat().st_size / 1e6:.0f} MB, {checkpoint.licence}")
        elif config.download and not checkpoint.builtin:
            size = f"{checkpoint.size_bytes / 1e6:.0f} MB, {checkpoint.licence}"
            report.note("models", f"{key} {role}, and is not on this machine: a start downloads it ({size})")
        else:
            try:
                checkpoints.resolve(checkpoint, config.checkpoints, allow_download=False)
            except checkpoints.CheckpointNotFound as error:
                report.fault("models", str(error))
    return here


def check_memory(report: Report, config: Config) -> None:
    """Whether what the settings reserve fits into what this process may use."""
    usable, arena = usable_memory_bytes(), config.arena_mb * 2**20
    text = f"{usable / 2**30:.1f} GiB may be used; --arena-mb {config.arena_mb}"
    if config.model_memory_mb:
        text += f", --model-memory-mb {config.model_memory_mb}"
    if arena > usable:
        report.fault("memory", f"{text}: more than there is")
    else:
        report.ok("memory", text)


def check_workers(report: Report, config: Config, models: Sequence[ModelKey]) -> None:
    """Start the workers, have each load what is here and run a tiny picture; what they say at fault is on stderr."""
    os.environ.pop("NOTIFY_SOCKET", None)  # nobody is to be told that the daemon is ready
    if not models and (starter := lookup("vitt", "starter")) and checkpoints.find_on_disk(starter, None):
        models = [model_key("vitt", "starter")]
    if not models:
        report.note("workers", "not tried: no model is on this machine")
        return
    with tempfile.TemporaryDirectory(prefix="depthwired-check-") as folder:
        trial = replace(
            config,
            bind=[f"ipc://{Path(folder, 'socket')}"],
            curve_key=None,
            authorized_clients=None,
            metrics=None,
            download=False,
            model=str(models[0]),
            preload=[str(key) for key in models],
        )
        try:
            front = Front(trial, models[0])
        except (OSError, InvalidSettings) as error:
            report.fault("workers", f"the daemon itself does not start: {error}")
            return
        rehearsal = Rehearsal(front, [lookup(key.encoder, key.dataset) for key in models])
        failure = front.rehearse(rehearsal.is_over)
    rehearsal.tell(report, failure)


class Rehearsal:
    """What the workers of a front have shown so far."""

    def __init__(self, front: Front, wanted: Sequence[Checkpoint]) -> None:
        self._front = front
        self._wanted = list(dict.fromkeys(wanted))
        config = front.config
        self._give_up_at = time.monotonic() + config.start_timeout_s + config.batch_timeout_s
        self._said: list[str] = []
        self._failed: list[str] = []
        self._problems: list[str] = []

    def is_over(self) -> bool:
        """Whether each worker has run a picture and all models are loaded or have failed. Called between turns."""
        links = self._front.supervisor.links
        self._problems = self._front.readiness().problems
        self._said, self._failed, is_over = [], [], True
        for slot, link in enumerate(links):
            if link is None or link.hello is None:
                is_over = False
                continue
            states = {resident.checkpoint: resident.state for resident in link.residency.snapshot()}
            failed = [checkpoint.name for checkpoint in self._wanted if states.get(checkpoint) is State.FAILED]
            loaded = [checkpoint.name for checkpoint in self._wanted if states.get(checkpoint) is State.READY]
            hello, proof = link.hello, link.proof
            self._failed += [f"worker {slot} could not load {name}" for name in failed]
            has_run = proof.served_at is not None or proof.failures > 0 or not loaded
            is_over = is_over and has_run and len(failed) + len(loaded) == len(self._wanted)
            budget = (self._front.config.model_memory_mb * 2**20 or hello.memory_bytes) / 2**30
            self._said.append(
                f"{hello.engine} on {hello.device} in {hello.precision}, up to {hello.max_batch} images a batch, "
                f"{budget:.1f} GiB for models; {', '.join(loaded) or 'no model'} loaded and run"
            )
        return is_over or time.monotonic() >= self._give_up_at

    def tell(self, report: Report, failure: str | None) -> None:
        """Say it, once the front has ended; `failure` is what `Front.rehearse` says."""
        problems = [failure] if failure else self._failed + self._problems
        for problem in problems:
            report.fault("workers", f"{problem} (what the worker said is above, on standard error)")
        if not problems:
            for text in self._said:
                report.ok("workers", text)
