"""`depthwired`, the daemon's command: reads the settings, says what it is about to do, and runs the front."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from depthwire.daemon.config import Config, InvalidSettings, config_options, from_options
from depthwire.daemon.logs import set_up_logging
from depthwire.daemon.models import checkpoints
from depthwire.daemon.models.catalogue import InvalidInputSize, ModelKey, UnknownModel, parse_model_key
from depthwire.daemon.packages import missing_packages
from depthwire.daemon.seam.launch import open_standard_descriptors
from depthwire.protocol.distribution import install_hint

log = logging.getLogger("depthwire")


class Command(click.Command):
    """With --check, settings that cannot be read end it as any other fault does: with 78, not with 2."""

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        arguments = list(sys.argv[1:] if args is None else args)
        try:
            return super().main(arguments, *rest, **extra)
        except SystemExit as end:
            if "--check" in arguments and end.code not in (0, None):
                sys.exit(os.EX_CONFIG)
            raise


@click.command(cls=Command, context_settings={"auto_envvar_prefix": "DEPTHWIRE", "help_option_names": ["-h", "--help"]})
@config_options
@click.option(
    "--check",
    "checking",
    is_flag=True,
    allow_from_autoenv=False,
    help="Check settings, keys, models, memory and device, say what a start would meet, and end with 0 or 78.",
)
@click.version_option(package_name="depthwire")
def main(checking: bool, **options: Any) -> None:
    """Answer depth requests over ZeroMQ: metric depth maps and point clouds from camera frames.

    Every setting is also a variable (--max-batch is DEPTHWIRE_MAX_BATCH) and a key of the --config file (max_batch).
    Ends on SIGTERM or Ctrl-C after it has answered all that it admitted.
    """
    open_standard_descriptors()
    config = from_options(options)
    set_up_logging("warning" if checking else config.log_level, config.log_format)
    if missing := missing_packages(config):
        end_without(f"{', '.join(missing)} not installed")
    try:
        from depthwire.daemon.check import check
        from depthwire.daemon.front.loop import Front
    except ImportError as error:  # installed, and broken
        end_without(str(error))
    if checking:
        sys.exit(check(config))
    try:
        front = Front(config, default_model(config))
    except (UnknownModel, InvalidInputSize) as error:
        raise click.UsageError(f"--model or --preload: {error}") from None
    except (OSError, InvalidSettings) as error:
        raise click.ClickException(str(error)) from None
    front.announce()
    if config.checkpoints is not None and not checkpoints.names_in(config.checkpoints):
        log.warning(
            "--checkpoints: no file in %s has the name of a known checkpoint, such as depth_anything_v2_vits.pth",
            config.checkpoints,
        )
    sys.exit(front.run())


def end_without(what: str) -> NoReturn:
    """The end of a daemon that lacks packages, which no restart brings."""
    click.echo(f"Error: depthwired cannot run: {what}; {install_hint('daemon')}", err=True)
    sys.exit(os.EX_CONFIG)


def default_model(config: Config) -> ModelKey:
    """The model that answers where a request names none: the operator's choice, else the best that is on disk.

    Raises UnknownModel or InvalidInputSize for a choice that is none.
    """
    return parse_model_key(config.model) if config.model else checkpoints.default_model(config.checkpoints)


if __name__ == "__main__":
    main()
