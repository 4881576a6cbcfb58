"""`depthwire`, the client's command: the group with its common options, `health`, and how errors end a command.

The other commands are in the modules beside this one; exit codes and the JSON form of errors in view/faults.py.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

import click

from depthwire.client.base import DEFAULT_ENDPOINT
from depthwire.client.cli import console
from depthwire.client.cli.bag import bag
from depthwire.client.cli.depth import depth, pc
from depthwire.client.cli.doctor import doctor
from depthwire.client.cli.keys import keygen
from depthwire.client.cli.models import models
from depthwire.client.cli.session import HEALTH_TIMEOUT_S, Key, Session
from depthwire.client.cli.stream import stream, view
from depthwire.client.cli.watch import span, watch
from depthwire.client.results import Health
from depthwire.client.view.faults import EXIT_CODES, Exit, Terminated, fault_of, print_json, say
from depthwire.client.view.pictures import PicturesUnavailableError
from depthwire.protocol import DepthwireError


class Commands(click.Group):
    """A group whose commands return their exit code and end with one line, or one JSON object, on any error."""

    def main(  # type: ignore[override]  # the overloads tell standalone_mode apart, which is set here
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False  # click's own way to end knows neither our exit codes nor JSON
        console.prepare()
        _end_in_order()
        try:
            sys.exit(_told(super().main(arguments, prog_name, **extra) or Exit.DONE))
        except click.Abort as abort:
            is_terminated = isinstance(abort.__cause__, Terminated)
            say("terminated" if is_terminated else "interrupted")
            sys.exit(Exit.TERMINATED if is_terminated else Exit.INTERRUPTED)
        except (click.ClickException, DepthwireError, PicturesUnavailableError, OSError) as error:
            fault = fault_of(error)
            if "--json" in arguments:
                print_json({"ok": False, "error": fault.as_json()})
            elif isinstance(error, click.ClickException):
                error.show()
            else:
                say(fault.message)
            sys.exit(fault.exit_code)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Take a command in, and let the group's own options stand behind its name as well as before it."""
        own = {option for param in cmd.params for option in param.opts}
        for option in self.params:
            if isinstance(option, click.Option) and option.name in COMMON and not own & set(option.opts):
                cmd.params.append(
                    click.Option(option.opts, type=option.type, hidden=True, expose_value=False, callback=_given_late)
                )
        super().add_command(cmd, name)


COMMON = frozenset({"endpoint", "profile", "timeout", "server_key", "client_key"})
"""The group's options that are about the daemon."""


def _given_late(context: click.Context, option: click.Parameter, value: Any) -> None:
    if value is not None:
        context.obj = context.obj.changed(option.name, value)


def _told(code: int) -> int:
    """The exit code of a command that has done its work: not 0 where what it printed is lost."""
    if code != Exit.DONE or (problem := console.problem()) is None:
        return code
    fault = fault_of(OSError(problem.errno, problem.strerror, "standard output"))
    say(fault.message)
    return fault.exit_code


def _end_in_order() -> None:
    """Let SIGTERM, and the end of the terminal, end a command as Ctrl-C does; not where they are ignored (nohup)."""

    def end(number: int, _: object) -> None:
        raise Terminated(signal.Signals(number).name)

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, end)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, epilog=EXIT_CODES)
@click.option(
    "--endpoint",
    envvar="DEPTHWIRE_ENDPOINT",
    default=DEFAULT_ENDPOINT,
    show_default=True,
    show_envvar=True,
    help="The daemon's address, tcp://HOST:PORT or ipc://PATH.",
)
@click.option("--profile", metavar="NAME", help="Take endpoint, model and timeout from your profiles file.")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="How long one answer may take.  [default: the profile's, or 10 for health and 300 for images]",
)
@click.option(
    "--server-key",
    envvar="DEPTHWIRE_SERVER_KEY",
    show_envvar=True,
    metavar="KEY",
    help="Public key of a daemon with keys: 40 characters, or its .pub file.",
)
@click.option(
    "--client-key",
    envvar="DEPTHWIRE_CLIENT_KEY",
    show_envvar=True,
    metavar="FILE",
    help="Your own .key file, for a daemon with keys (see keygen).",
)
@click.version_option(package_name="depthwire")
@click.pass_context
def main(
    context: click.Context,
    endpoint: str,
    profile: str | None,
    timeout: float | None,
    server_key: str | None,
    client_key: str | None,
) -> None:
    """Metric depth and point clouds from a depthwired daemon.

    The options that say how it is reached may stand before the command or behind it.
    """
    given = context.get_parameter_source("endpoint") is click.core.ParameterSource.COMMANDLINE
    context.obj = Session(endpoint, given, profile, timeout, _key(context, "server_key"), _key(context, "client_key"))


@main.command(epilog=EXIT_CODES)
@click.option("--ready", is_flag=True, help="End with exit code 4 unless the daemon is ready for images.")
@click.option("--json", "as_json", is_flag=True, help="Print the daemon's report as one JSON object.")
@click.option("--watch", "watching", is_flag=True, help="Go on until Ctrl-C: rates, latencies, queue, models, workers.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="With --watch, from one look to the next.",
)
@click.pass_obj
def health(session: Session, ready: bool, as_json: bool, watching: bool, interval: float) -> int:
    """Say how the daemon is: state, device, models, queue, limits."""
    if watching:
        if ready:
            raise click.UsageError("--ready asks once and --watch never ends: leave one of them out")
        return watch(session, interval, as_json)
    with session.open_client(HEALTH_TIMEOUT_S) as client:
        report = client.health()
        endpoint = client.endpoint
    if as_json:
        print_json({"ok": True, "endpoint": endpoint, **report})
    else:
        for line in health_lines(report, endpoint):
            click.echo(line)
    return Exit.REFUSED if ready and not report.get("ready") else Exit.DONE


main.add_command(depth)
main.add_command(pc)
main.add_command(bag)
main.add_command(stream)
main.add_command(view)
main.add_command(models)
main.add_command(keygen)
main.add_command(doctor)


def _key(context: click.Context, name: str) -> Key | None:
    """A key as it was given, and whether on the command line. An empty variable says nothing."""
    if not context.params[name]:
        return None
    return Key(context.params[name], context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE)


def health_lines(report: Health, endpoint: str) -> list[str]:
    """The health report as lines for people. Every field may be missing or nil."""

    def known(fields: Any, name: str, form: str = "{}") -> str:
        value = fields.get(name) if isinstance(fields, dict) else None
        return "?" if value is None else form.format(value)

    def names(field: str) -> str:
        return ", ".join(map(str, report.get(field) or [])) or "none"

    workers = [worker for worker in report.get("workers") or [] if isinstance(worker, dict)]
    queue, limits = report.get("queue"), report.get("limits")
    states = ", ".join(f"{known(worker, 'device')} {known(worker, 'state')}" for worker in workers) or "none"
    restarts = sum(int(worker.get("restarts") or 0) for worker in workers)
    lines = [
        f"depthwired {known(report, 'version')} at {endpoint}: {known(report, 'status')}"
        + ("" if report.get("ready") else ", not ready for images yet"),
        *(f"  problem    {problem}" for problem in report.get("problems") or []),
        f"  running    for {span(report.get('uptime_s'))}, protocol {known(report, 'protocol')}",
        f"  engine     {known(report, 'engine')} on {known(report, 'device')}, {known(report, 'precision')}, "
        f"up to {known(report, 'max_batch')} images a batch",
        f"  model      {known(report, 'default_model')} where none is named",
        f"  loaded     {names('models_loaded')}; loading: {names('models_loading')}",
        f"  workers    {states}; {restarts} restarts",
        f"  queue      {known(queue, 'waiting')} waiting, {known(queue, 'in_flight')} in flight; "
        f"{_mebibytes(queue, 'arena_used_bytes')} of {_mebibytes(queue, 'arena_bytes')} MiB of the arena in use",
        f"  limits     images of {_mebibytes(limits, 'max_image_bytes')} MiB and "
        f"{_millions(limits, 'max_image_pixels')} megapixels, {known(limits, 'max_in_flight_per_client')} requests a "
        f"client, {known(limits, 'max_waiting')} waiting",
    ]
    if notice := report.get("notice"):
        lines.append(f"  notice     {notice}")
    return lines


def _mebibytes(fields: Any, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    return f"{value / 2**20:.4g}" if isinstance(value, (int, float)) else "?"


def _millions(fields: Any, name: str) -> str:
    value = fields.get(name) if isinstance(fields, dict) else None
    return f"{value / 1e6:.4g}" if isinstance(value, (int, float)) else "?"


if __name__ == "__main__":
    main()
