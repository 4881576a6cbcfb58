"""`depthwire keygen`: a key pair as two files, the secret one private from its first moment."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click
import zmq

from depthwire.client.view.faults import CommandError, Exit, Fault, print_json
from depthwire.protocol.keys import (
    KEY_SUFFIX,
    PUBLIC_SUFFIX,
    InvalidKeyError,
    KeyPair,
    check_name,
    key_file_text,
    public_key_text,
)


@click.command()
@click.argument("name")
@click.option(
    "-o",
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Folder to write into; made, for you alone, where there is none.  [default: this one]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def keygen(name: str, folder: Path, as_json: bool) -> int:
    """Make a key pair: NAME.key, which is secret and never leaves its machine, and NAME.pub, which others need.

    The daemon takes its own with --curve-key and its clients' public ones from the folder --authorized-clients, where
    the file's name is what the client is called. A client takes its own with --client-key, and with --server-key the
    daemon's public one. Existing files are never written over.
    """
    try:
        check_name(name)
    except InvalidKeyError as error:
        raise click.BadParameter(str(error), param_hint="NAME") from None
    key_path, public_path, public = write_key_pair(name, folder)
    if as_json:
        print_json({"ok": True, "name": name, "key": str(key_path), "public": str(public_path), "public_key": public})
    else:
        click.echo(f"{key_path}  secret: keep it on this machine")
        click.echo(f"{public_path}  public: {public}")
    return Exit.DONE


def write_key_pair(name: str, folder: Path) -> tuple[Path, Path, str]:
    """Write a new pair; the paths of its secret and public files, and the public key.

    Raises CommandError where either file is there already, and OSError. Either both files are written or none.
    """
    if not zmq.has("curve"):
        raise CommandError(Fault("this installation of ZeroMQ has no CURVE; pyzmq's wheels do", Exit.FAILED))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_path, public_path = folder / f"{name}{KEY_SUFFIX}", folder / f"{name}{PUBLIC_SUFFIX}"
    public, secret = zmq.curve_keypair()
    pair = KeyPair(public.decode(), secret.decode())
    written: list[Path] = []
    try:
        for path, text, mode in (
            (key_path, key_file_text(pair, name), 0o600),
            (public_path, public_key_text(pair, name), 0o644),
        ):
            # O_EXCL: nobody's file is written over, and none that somebody laid there is filled with a secret.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            written.append(path)
            with open(descriptor, "w", encoding="ascii") as file:  # noqa: PTH123 - a descriptor, not a path
                file.write(text)
    except OSError as error:
        for path in written:
            with contextlib.suppress(OSError):
                path.unlink()
        if isinstance(error, FileExistsError):
            text = f"{error.filename} is there already, and a key that is in use would be lost; choose another name"
            raise CommandError(Fault(text, Exit.FAILED, {"code": "FILE"})) from None
        raise
    return key_path, public_path, pair.public
