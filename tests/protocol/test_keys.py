"""Key files: what is read, what is refused, and that no error's text holds a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
import zmq
import zmq.auth

from depthwire.protocol.keys import (
    InvalidKeyError,
    KeyPair,
    check_name,
    is_key,
    key_file_text,
    public_key_text,
    read_key_file,
    read_public_key,
)


@pytest.fixture
def pair() -> KeyPair:
    public, secret = zmq.curve_keypair()
    return KeyPair(public.decode(), secret.decode())


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_what_is_written_is_read_back(pair: KeyPair, tmp_path: Path) -> None:
    key = write(tmp_path / "lab.key", key_file_text(pair, "lab"))
    public = write(tmp_path / "lab.pub", public_key_text(pair, "lab"))
    assert read_key_file(key) == pair
    assert read_public_key(public) == read_public_key(key) == pair.public
    assert pair.secret not in public.read_text()


def test_pyzmq_reads_them_as_its_own_certificates(pair: KeyPair, tmp_path: Path) -> None:
    key = write(tmp_path / "lab.key", key_file_text(pair, "lab"))
    assert zmq.auth.load_certificate(key) == (pair.public.encode(), pair.secret.encode())


def test_a_pair_does_not_print_its_secret(pair: KeyPair) -> None:
    assert pair.secret not in repr(pair)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o620])
def test_a_secret_that_others_can_read_or_change_is_refused(mode: int, pair: KeyPair, tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyError, match="chmod 600"):
        read_key_file(write(tmp_path / "lab.key", key_file_text(pair, "lab"), mode))


def test_the_public_file_is_not_taken_for_the_secret_one(pair: KeyPair, tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyError, match="holds no secret key"):
        read_key_file(write(tmp_path / "lab.pub", public_key_text(pair, "lab")))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "public-key",
        'public-key = ""',
        'public-key = "tooshort"',
        f'public-key = "{"#" * 40}"',
        f'public-key = "{"0" * 40}"\npublic-key = "{"0" * 40}"',
        f'public-key = "{"0" * 40}"\nsecret-key = "short"',
        "x" * 20_000,
    ],
)
def test_what_is_no_key_file_is_refused_by_its_name(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyError, match=r"lab\.key"):
        read_key_file(write(tmp_path / "lab.key", text))


def test_no_error_repeats_what_may_be_a_secret(tmp_path: Path) -> None:
    with pytest.raises(InvalidKeyError) as caught:
        read_key_file(write(tmp_path / "lab.key", f'public-key = "{"0" * 40}"\nsecret-key = "mysecret"'))
    assert "mysecret" not in str(caught.value)


def test_a_key_is_forty_characters_of_z85(pair: KeyPair) -> None:
    assert is_key(pair.public)
    assert is_key(pair.secret)
    for other in ("", pair.public[:-1], pair.public + "0", pair.public[:-1] + "~", "#" * 40, "é" * 40):
        assert not is_key(other)


@pytest.mark.parametrize("name", ["robot", "robot-7.lab", "anna@lab", "7"])
def test_a_name_is_fit_for_files_and_logs(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", ".", "..", "../robot", "a/b", "a b", "a\nb", "-o", "ä", "x" * 65])
def test_a_name_that_is_not_is_refused(name: str) -> None:
    with pytest.raises(InvalidKeyError):
        check_name(name)
