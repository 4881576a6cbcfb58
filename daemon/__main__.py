"""`depthwired`, the daemon's command: reads the settings, says what it is about to do, and runs the front."""

from __future__ import annotations

import logging
import sys
from typing import Any

import click

from depthwire.daemon.config import Config, InvalidSettings, config_options, from_options
from depthwire.daemon.logs import set_up_logging
from depthwire.daemon.models import checkpoints
from depthwire.daemon.models.catalogue import InvalidInputSize, ModelKey, UnknownModel, parse_model_key
from depthwire.daemon.seam.launch import open_standard_descriptors

log = logging.getLogger("depthwire")


@click.command(context_settings={"auto_envvar_prefix": "DEPTHWIRE", "help_option_names": ["-h", "--help"]})
@config_options
@click.version_option(package_name="depthwire")
def main(**options: Any) -> None:
    """Answer depth requests over ZeroMQ: metric depth maps and point clouds from camera frames.

    Every setting is also a variable (--max-batch is DEPTHWIRE_MAX_BATCH) and a key of the --config file (max_batch).
    Ends on SIGTERM or Ctrl-C after it has answered all that it admitted.
    """
    open_standard_descriptors()
    config = from_options(options)
    set_up_logging(config.log_level, config.log_format)
    from depthwire.daemon.front.loop import Front

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


def default_model(config: Config) -> ModelKey:
    """The model that answers where a request names none: the operator's choice, else the best that is on disk.

    Raises UnknownModel or InvalidInputSize for a choice that is none.
    """
    return parse_model_key(config.model) if config.model else checkpoints.default_model(config.checkpoints)


if __name__ == "__main__":
    main()
