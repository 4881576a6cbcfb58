"""`depthwire models`: which checkpoints there are, and where this machine has them.

The one place where the client room reaches into the daemon's, and only when this command runs: the list belongs to the
daemon, whose catalogue and lookup import nothing heavy, and asking it beats keeping a second list here.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import click

from depthwire.client.view.faults import CommandError, Exit, Fault, print_json
from depthwire.protocol.distribution import install_hint


@click.command()
@click.option(
    "--checkpoints",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar="DEPTHWIRE_CHECKPOINTS",
    show_envvar=True,
    help="Folder to look into, as for depthwired.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def models(checkpoints: Path | None, as_json: bool) -> int:
    """List the models with their licences, and where this machine has them (a daemon elsewhere has its own)."""
    catalogue, lookup = _daemon_modules()
    rows = [_row(checkpoint, lookup.find_on_disk(checkpoint, checkpoints)) for checkpoint in catalogue.CATALOGUE]
    default = str(lookup.default_model(checkpoints))
    if as_json:
        print_json({"ok": True, "default_model": default, "models": rows})
        return Exit.DONE
    table = [("MODEL", "LICENCE", "RANGE", "SIZE", "FILE", "ON THIS MACHINE")]
    table += [
        (
            row["name"],
            row["licence"],
            f"{row['native_max_depth']:g} m" if row["metric"] else "relative",
            f"{row['size_bytes'] / 1e6:.0f} MB",
            row["file_name"],
            "built in" if row["builtin"] and row["path"] else row["path"] or "not here",
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in table) for column in range(5)]
    for line in table:
        click.echo("  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[5]]))
    click.echo(f"\nA depthwired on this machine answers with {default} where a request names no model.")
    if any(row["path"] is None for row in rows):
        click.echo(
            "Not here: put the file under the name above into a folder and start `depthwired --checkpoints DIR`, or\n"
            "let `depthwired --model NAME` download it once. CC-BY-NC-4.0 weights are for non-commercial use only."
        )
    return Exit.DONE


def _daemon_modules() -> tuple[ModuleType, ModuleType]:
    try:
        from depthwire.daemon.models import catalogue, checkpoints
    except ImportError as error:
        text = f"the list of models comes with the daemon: {install_hint('daemon')} ({error})"
        raise CommandError(Fault(text, Exit.FAILED, {"code": "MISSING_PACKAGE"})) from None
    return catalogue, checkpoints


def _row(checkpoint: Any, path: Path | None) -> dict[str, Any]:
    return {
        "name": checkpoint.name,
        "licence": checkpoint.licence,
        "metric": checkpoint.metric,
        "native_max_depth": checkpoint.native_max_depth,
        "default_input_size": checkpoint.default_input_size,
        "size_bytes": checkpoint.size_bytes,
        "file_name": checkpoint.file_name,
        "hub_repository": checkpoint.hub_repository or None,
        "builtin": checkpoint.builtin,
        "note": checkpoint.note,
        "path": None if path is None else str(path),
    }
