"""`depthwire keygen`, and how a client, a profile and the command line name keys."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import zmq
from click.testing import CliRunner, Result

from depthwire.client import DepthClient, InvalidRequestError
from depthwire.client.cli import __main__ as cli
from depthwire.client.cli.session import Key, Session
from depthwire.client.curve import load_keys
from depthwire.client.profiles import load_profile
from depthwire.client.view.faults import Exit
from depthwire.protocol.keys import read_key_file, read_public_key


def keygen(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.main, ["keygen", *map(str, arguments)])


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    folder = tmp_path / "keys"
    for name in ("lab", "robot"):
        assert keygen(name, "-o", folder).exit_code == Exit.DONE
    return folder


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# keygen


def test_keygen_writes_a_pair_of_which_only_the_public_half_can_be_read_by_others(keys: Path) -> None:
    pair = read_key_file(keys / "lab.key")
    assert read_public_key(keys / "lab.pub") == pair.public == zmq.curve_public(pair.secret.encode()).decode()
    assert mode_of(keys / "lab.key") == 0o600
    assert mode_of(keys) == 0o700
    assert pair.secret not in (keys / "lab.pub").read_text()


def test_the_secret_is_private_from_the_moment_the_file_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the umask: the file is created with its mode, and in no other way."""
    modes: dict[str, int] = {}
    really_open = os.open

    def watched(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        descriptor = really_open(path, flags, mode, **more)
        if str(path).startswith(str(tmp_path)):
            assert flags & os.O_EXCL
            modes[Path(path).name] = stat.S_IMODE(os.fstat(descriptor).st_mode)
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    before = os.umask(0)
    try:
        assert keygen("lab", "-o", tmp_path).exit_code == Exit.DONE
    finally:
        os.umask(before)
    assert modes == {"lab.key": 0o600, "lab.pub": 0o644}


@pytest.mark.parametrize("existing", ["lab.key", "lab.pub"])
def test_keygen_writes_over_nothing_and_leaves_no_half(existing: str, tmp_path: Path) -> None:
    (tmp_path / existing).write_text("precious")
    result = keygen("lab", "-o", tmp_path)
    assert result.exit_code == Exit.FAILED
    assert "there already" in result.stderr
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(existing, "precious")]


def test_keygen_follows_no_link_that_somebody_laid_there(tmp_path: Path) -> None:
    (tmp_path / "lab.key").symlink_to(tmp_path / "elsewhere")
    assert keygen("lab", "-o", tmp_path).exit_code == Exit.FAILED
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["../lab", "a b", ""])
def test_keygen_refuses_a_name_that_is_no_file_name(name: str, tmp_path: Path) -> None:
    assert keygen(name, "-o", tmp_path / "keys").exit_code == Exit.USAGE
    assert not list(tmp_path.iterdir())


def test_keygen_never_prints_the_secret(tmp_path: Path) -> None:
    output = keygen("lab", "-o", tmp_path, "--json").output + keygen("robot", "-o", tmp_path).output
    for name in ("lab", "robot"):
        pair = read_key_file(tmp_path / f"{name}.key")
        assert pair.public in output
        assert pair.secret not in output


# the client's arguments


def test_a_server_key_is_text_or_a_file(keys: Path) -> None:
    text = read_public_key(keys / "lab.pub")
    by_text = load_keys(text, keys / "robot.key")
    assert by_text == load_keys(keys / "lab.pub", str(keys / "robot.key"))
    assert by_text is not None
    assert by_text.server_public == text.encode()
    assert by_text.public == read_public_key(keys / "robot.pub").encode()
    assert by_text.secret.decode() not in repr(by_text)


def test_without_keys_there_is_no_encryption() -> None:
    assert load_keys(None, None) is None


def test_keys_come_in_twos_and_must_be_there(keys: Path) -> None:
    with pytest.raises(InvalidRequestError, match="server_key is given without client_key"):
        DepthClient(server_key=keys / "lab.pub")
    with pytest.raises(InvalidRequestError, match="client_key is given without server_key"):
        DepthClient(client_key=keys / "robot.key")
    with pytest.raises(InvalidRequestError, match=r"client_key: .*No such file"):
        DepthClient(server_key=keys / "lab.pub", client_key=keys / "absent.key")
    with pytest.raises(InvalidRequestError, match=r"server_key: .*No such file"):
        DepthClient(server_key="too short for a key", client_key=keys / "robot.key")
    with pytest.raises(InvalidRequestError, match="holds no secret key"):
        DepthClient(server_key=keys / "lab.pub", client_key=keys / "robot.pub")


# profiles and the command line


def test_a_profile_names_keys_beside_itself_in_the_home_folder_or_as_text(
    keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    text = read_public_key(keys / "lab.pub")
    file = keys / "profiles.yaml"
    file.write_text(
        "profiles:\n"
        "  lab: {endpoint: e, server_key: lab.pub, client_key: ~/robot.key}\n"
        f"  text:\n    endpoint: e\n    server_key: '{text}'\n    client_key: /k/robot.key\n"
    )
    lab = load_profile("lab", file)
    assert (lab["server_key"], lab["client_key"]) == (str(keys / "lab.pub"), "/home/somebody/robot.key")
    by_text = load_profile("text", file)
    assert (by_text["server_key"], by_text["client_key"]) == (text, "/k/robot.key")


def chosen(server: Key | None, client: Key | None, profile: dict[str, Any] | None) -> dict[str, str]:
    session = Session("e", False, None if profile is None else "lab", None, server, client)
    settings = dict(profile or {})
    return settings | session._keys(settings)


def test_flags_go_before_the_profile_and_the_profile_before_variables() -> None:
    profile = {"server_key": "profile's", "client_key": "profile's"}
    flag, variable = Key("flag's", True), Key("variable's", False)
    assert chosen(flag, flag, profile) == {"server_key": "flag's", "client_key": "flag's"}
    assert chosen(variable, variable, profile) == profile
    assert chosen(variable, variable, None) == {"server_key": "variable's", "client_key": "variable's"}


def test_a_key_in_a_variable_is_who_one_is_and_makes_no_plain_daemon_unreachable() -> None:
    variable = Key("variable's", False)
    assert chosen(None, variable, None) == {}
    assert chosen(variable, variable, {}) == {}
    assert chosen(None, variable, {"server_key": "profile's"})["client_key"] == "variable's"


def test_the_command_line_says_which_key_is_wrong(keys: Path) -> None:
    options = ["--server-key", str(keys / "lab.pub"), "--client-key", str(keys / "absent.key")]
    result = CliRunner().invoke(cli.main, [*options, "health"])
    assert result.exit_code == Exit.USAGE
    assert "client_key" in result.stderr
    assert "absent.key" in result.stderr
