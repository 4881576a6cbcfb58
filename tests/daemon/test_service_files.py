"""The files for operators, checked as far as a machine without systemd as its first process and without Docker allows.

The unit by systemd's own `systemd-analyze verify`, where that is installed; the Dockerfile by rules of our own, since
nothing here can build it. tests/packages/test_image.py builds and runs what it copies.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from depthwire.daemon.config import Config

ROOT = Path(__file__).parents[2]
SERVICE = ROOT / "daemon" / "service"
UNIT = SERVICE / "depthwired.service"
DOCKERFILE = SERVICE / "Dockerfile"
SECRET = re.compile(r"(password|passwd|secret|token|api_?key|private_?key|credential)", re.IGNORECASE)


def unit_sections() -> dict[str, dict[str, list[str]]]:
    """Section → key → values; keys may be given more than once."""
    sections: dict[str, dict[str, list[str]]] = {}
    for line in UNIT.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), defaultdict(list))
        else:
            key, _, value = line.partition("=")
            section[key].append(value)
    return sections


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined and comments left out."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.split(None, 1)[1]) for line in joined.splitlines() if line.strip()]


def test_the_unit_passes_systemd_s_own_check(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    # Where the daemon is installed is the operator's to say, and checked for existence.
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    checked = subprocess.run([analyze, "verify", "--man=no", copy], capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_unit_says_what_the_daemon_does() -> None:
    service = unit_sections()["Service"]
    assert service["Type"] == ["notify"]
    assert float(service["WatchdogSec"][0]) >= 10
    assert service["KillMode"] == ["mixed"], "a drain needs the workers"
    assert service["MemoryMax"]
    assert service["OOMPolicy"] == ["continue"]
    assert "ExecReload" not in service
    assert float(service["TimeoutStopSec"][0]) > 2 * Config().drain_timeout_s
    assert "78" in service["RestartPreventExitStatus"][0].split()


def test_the_unit_forbids_nothing_that_the_gpu_or_the_arena_needs() -> None:
    service = unit_sections()["Service"]
    for forbidding in ("PrivateDevices", "MemoryDenyWriteExecute", "ProcSubset", "PrivateNetwork", "PrivateUsers"):
        assert forbidding not in service, forbidding
    assert "char-nvidia* rw" in service["DeviceAllow"]
    assert service["LimitMEMLOCK"] == ["infinity"]
    assert service["SystemCallFilter"] == ["@system-service"]


@pytest.mark.parametrize(
    "hardening",
    ["NoNewPrivileges", "DynamicUser", "ProtectHome", "PrivateTmp", "RestrictNamespaces", "LockPersonality"],
)
def test_the_unit_is_sandboxed(hardening: str) -> None:
    service = unit_sections()["Service"]
    assert service[hardening] == ["yes"]
    assert service["CapabilityBoundingSet"] == [""]


def test_the_base_image_is_pinned_by_tag_and_digest() -> None:
    (base,) = [text.partition("=")[2] for name, text in instructions() if name == "ARG" and text.startswith("BASE=")]
    assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-base-ubuntu\d\d\.\d\d@sha256:[0-9a-f]{64}", base)
    stages = [text for name, text in instructions() if name == "FROM"]
    assert stages == ["${BASE} AS build", "${BASE}"]


def test_every_instruction_of_the_image_exists() -> None:
    known = r"ARG|FROM|RUN|COPY|WORKDIR|ENV|USER|VOLUME|EXPOSE|STOPSIGNAL|HEALTHCHECK|ENTRYPOINT"
    assert [name for name, _ in instructions() if not re.fullmatch(known, name)] == []
    for name, text in instructions():
        if name == "RUN":
            assert subprocess.run(["sh", "-n", "-c", text], timeout=30).returncode == 0, text
        if name == "ENTRYPOINT" or "CMD" in text:
            assert text[text.index("[") :] == str(yaml.safe_load(text[text.index("[") :])).replace("'", '"'), text


def test_the_daemon_in_the_image_is_not_root() -> None:
    names = [name for name, _ in instructions()]
    final = instructions()[len(names) - names[::-1].index("FROM") :]
    users = [text for name, text in final if name == "USER"]
    assert users
    assert not users[-1].startswith(("0", "root"))
    assert [name for name, _ in final].index("USER") < [name for name, _ in final].index("ENTRYPOINT")


def test_packages_are_installed_without_leaving_their_lists_behind() -> None:
    for name, text in instructions():
        if name == "RUN" and "apt-get install" in text:
            assert "--no-install-recommends" in text
            assert "rm -rf /var/lib/apt/lists/*" in text


def test_nothing_in_the_image_is_a_secret() -> None:
    for name, text in instructions():
        if name in ("ENV", "ARG"):
            assert not SECRET.search(text), text
        assert not re.search(r"(BEGIN [A-Z ]*PRIVATE|https?://[^/\s]*:[^/\s]*@)", text)


def test_what_is_copied_is_there_and_let_through_by_the_ignore_file() -> None:
    patterns = (SERVICE / "Dockerfile.dockerignore").read_text().splitlines()
    allowed = {line[1:] for line in patterns if line.startswith("!")}
    assert "*" in patterns
    copied: set[str] = set()
    for name, text in instructions():
        if name == "COPY" and "--from" not in text:
            copied |= set(shlex.split(text)[:-1])
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_image_ends_by_the_signal_that_drains_and_knows_its_own_health() -> None:
    settings = dict(instructions())
    assert settings["STOPSIGNAL"] == "SIGTERM"
    assert '["python3", "-I", "-m", "depthwire.daemon.healthcheck"]' in settings["HEALTHCHECK"]
    assert settings["ENTRYPOINT"] == '["depthwired"]'


def test_the_files_are_installed_with_the_daemon() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert '"service/*"' in text
