"""Every setting is a flag, a variable and a YAML key, and the more deliberate of these wins: flags over variables over
the file over the defaults. What is wrong in any of them is named.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from depthwire.daemon.config import Config, config_options, from_options

FIELDS = {field.name: field for field in dataclasses.fields(Config)}
DEFAULTS = Config()
PATH = "/"
OTHER: dict[str, Any] = {
    "bind": ["tcp://0.0.0.0:1", "ipc:///tmp/d"],
    "device": "cuda:1",
    "checkpoints": PATH,
    "curve_key": __file__,
    "authorized_clients": PATH,
    "download": False,
    "model": "vits_hypersim_518",
    "metrics": "127.0.0.1:9464",
    "preload": ["vits_vkitti", "vitt_starter_154"],
}
"""A value other than its default for each field whose kind does not tell one."""


def other(name: str) -> Any:
    default = getattr(DEFAULTS, name)
    if isinstance(choice := FIELDS[name].metadata["option"].get("type"), click.Choice):
        return choice.choices[-1] if default != choice.choices[-1] else choice.choices[0]
    return OTHER[name] if name in OTHER else type(default)(max(default, 20) + 1)


def flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def run(*arguments: str, **environment: str) -> tuple[Result, Config | None]:
    """The Config that a command line and an environment come to."""
    made: list[Config] = []

    @click.command(context_settings={"auto_envvar_prefix": "DEPTHWIRE"})
    @config_options
    def command(**options: Any) -> None:
        made.append(from_options(options))

    variables = {f"DEPTHWIRE_{name}": value for name, value in environment.items()}
    result = CliRunner().invoke(command, arguments, env=variables)
    return result, made[0] if made else None


def config_of(*arguments: str, **environment: str) -> Config:
    result, config = run(*arguments, **environment)
    assert config is not None, result.output
    return config


def refusal_of(*arguments: str, **environment: str) -> str:
    result, config = run(*arguments, **environment)
    assert config is None
    assert result.exit_code == 2, result.exception
    return " ".join(result.output.replace("│", " ").split())


def flags(name: str) -> list[str]:
    value, flag = other(name), f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    if isinstance(value, list):
        return [part for item in value for part in (flag, item)]
    return [flag, str(value)]


def variable(name: str) -> dict[str, str]:
    value = other(name)
    return {name.upper(): " ".join(value) if isinstance(value, list) else str(value)}


def wanted(name: str) -> Any:
    return Path(other(name)) if name in ("checkpoints", "curve_key", "authorized_clients") else other(name)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_file(text: str) -> str:
        path = tmp_path / "depthwired.yaml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write_file


def test_without_anything_all_is_as_the_fields_say() -> None:
    assert config_of() == DEFAULTS


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_a_flag(name: str) -> None:
    assert config_of(*flags(name)) == dataclasses.replace(DEFAULTS, **{name: wanted(name)})


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_a_variable(name: str) -> None:
    assert config_of(**variable(name)) == dataclasses.replace(DEFAULTS, **{name: wanted(name)})


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_a_yaml_key(name: str, write: Any) -> None:
    path = write(yaml.safe_dump({name: other(name)}))
    assert config_of("--config", path) == dataclasses.replace(DEFAULTS, **{name: wanted(name)})


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_explained_in_the_help(name: str) -> None:
    output = " ".join(run("--help")[0].output.split())
    assert flags(name)[0].replace("--no-", "--") in output
    first_words = " ".join(FIELDS[name].metadata["help"].split()[:3])
    assert first_words in output


def test_flags_win_over_variables_variables_over_the_file_and_the_file_over_defaults(write: Any) -> None:
    path = write("max_batch: 2\nthreads: 2\narena_mb: 20\ndevice: cpu\n")
    config = config_of("--config", path, "--max-batch", "4", MAX_BATCH="3", THREADS="3")
    assert (config.max_batch, config.threads, config.arena_mb, config.device) == (4, 3, 20, "cpu")
    assert config.max_waiting == DEFAULTS.max_waiting


def test_a_flag_wins_over_the_file_wherever_it_stands(write: Any) -> None:
    path = write("threads: 2")
    assert config_of("--threads", "5", "--config", path).threads == 5


def test_the_file_may_be_named_by_a_variable(write: Any) -> None:
    assert config_of(CONFIG=write("threads: 7")).threads == 7


def test_a_list_of_one_level_replaces_the_list_of_the_level_below(write: Any) -> None:
    path = write("bind: [tcp://127.0.0.1:1, tcp://127.0.0.1:2]")
    assert config_of("--config", path).bind == ["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"]
    assert config_of("--config", path, "--bind", "tcp://127.0.0.1:3").bind == ["tcp://127.0.0.1:3"]


def test_a_list_may_be_written_as_its_only_element(write: Any) -> None:
    assert config_of("--config", write("bind: tcp://127.0.0.1:1\npreload: vitt_starter")) == dataclasses.replace(
        DEFAULTS, bind=["tcp://127.0.0.1:1"], preload=["vitt_starter"]
    )


@pytest.mark.parametrize("text", ["", "# only a comment\n", "bind:\nmodel:\nthreads: null\n", "{}"])
def test_what_a_file_leaves_empty_keeps_its_default(text: str, write: Any) -> None:
    assert config_of("--config", write(text)) == DEFAULTS


def test_an_unknown_key_is_named_with_those_that_there_are(write: Any) -> None:
    message = refusal_of("--config", write("threads: 2\nmax_bach: 4\n"))
    assert "max_bach is not a setting" in message
    assert "max_batch" in message


@pytest.mark.parametrize("text", ["bind: [", "a: b: c", "\tx: 1", "key: !!python/object:os.system {}"])
def test_a_file_that_is_not_yaml_is_refused(text: str, write: Any) -> None:
    assert "is not a YAML file" in refusal_of("--config", write(text))


@pytest.mark.parametrize("text", ["just words", "- a\n- b\n", "42"])
def test_a_file_without_settings_is_refused(text: str, write: Any) -> None:
    assert "holds no settings" in refusal_of("--config", write(text))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00\x80")
    assert "is not a YAML file" in refusal_of("--config", str(path))


def test_a_file_that_is_not_there_is_refused() -> None:
    assert "does not exist" in refusal_of("--config", "/nowhere/depthwired.yaml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("device: [cpu, cuda:0]", "device takes a single value"),
        ("max_batch: {most: 4}", "max_batch takes a single value"),
        ("bind: [[a]]", "bind takes a list of single values"),
        ("preload: {a: b}", "preload takes a list of single values"),
        ("bind: [null]", "bind takes a list of single values"),
        ("max_batch: many", "max-batch"),
        ("max_batch: 8.5", "max_batch is 8.5; it takes a whole number"),
        ("max_batch: 8.0", "max_batch is 8.0; it takes a whole number"),
        ("threads: true", "threads is true; it takes a whole number"),
        ("max_image_mb: yes", "max_image_mb is true; it takes a number"),
        ("insecure: 2", "insecure is 2; it takes true or false"),
        ("download: 0.5", "download is 0.5; it takes true or false"),
        ("device: no", "device is false; it takes text"),
        ("bind: [true]", "bind is true; it takes text"),
        ("max_batch: 257", "max-batch"),
        ("metrics: 9464", "metrics"),
        ("engine: onnx", "engine"),
        ("checkpoints: /nowhere/at/all", "checkpoints"),
        ("max_image_mb: .inf", "max-image-mb"),
        ("drain_timeout_s: .nan", "drain-timeout-s"),
    ],
)
def test_a_wrong_value_is_refused_by_its_setting_s_name(text: str, words: str, write: Any) -> None:
    assert words in refusal_of("--config", write(text))


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "0", "much"])
def test_a_size_is_a_positive_finite_number(value: str) -> None:
    assert "--max-image-mb" in refusal_of("--max-image-mb", value)


@pytest.mark.parametrize("name", [n for n in FIELDS if isinstance(getattr(DEFAULTS, n), int | float)])
def test_no_number_may_be_negative(name: str) -> None:
    if isinstance(getattr(DEFAULTS, name), bool):
        return
    assert f"--{name.replace('_', '-')}" in refusal_of(f"--{name.replace('_', '-')}", "-1")


def test_every_number_carries_its_unit_or_is_a_count() -> None:
    units = ("_mb", "_megapixels", "_ms", "_s", "_side", "_mb_per_client")
    counts = {"max_batch", "threads", "max_waiting", "send_queue"}
    counts |= {"max_in_flight_per_client", "max_models_per_client", "max_streams_per_client"}
    for name in FIELDS:
        value = getattr(DEFAULTS, name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            assert name.endswith(units) or name in counts, name


@pytest.mark.parametrize("name", [n for n in FIELDS if type(getattr(DEFAULTS, n)) in (int, float)])
def test_a_number_that_nothing_can_be_made_of_is_refused_by_name(name: str) -> None:
    """Neither the kernel nor ZeroMQ takes it: it ended in a traceback, if anything."""
    for value in ("1" + 20 * "0", "3000000000"):
        result, config = run(flag(name), value)
        assert result.exit_code == 2
        assert config is None
        assert f"Invalid value for '{flag(name)}'" in result.output
