"""Reports can be read by a program, repeated by a person, and hide nothing that was not met."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from depthwire.bench.cli import main
from depthwire.bench.plan import split_model
from depthwire.bench.report import append_section, command_line, make_report, markdown_table, write_report
from depthwire.bench.targets import verdicts
from depthwire.bench.usage import find_daemon


def test_the_load_command_writes_a_report_with_all_its_parts_and_a_picture(null_daemon: str, tmp_path: Path) -> None:
    arguments = ["load", "--endpoint", null_daemon, "--sweep", "1,2", "--duration", "0.5", "--warmup", "0.1"]
    arguments += ["--mix", "metric_depth:1,pc:1", "--deadline", "1000", "--timeout", "10", "--out", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "load.json").read_text())
    assert report["schema"] == 1
    assert report.keys() == {"schema", "kind", "date", "command", "machine", "versions", "settings", "results"}
    assert report["machine"].keys() >= {"cpu", "cores", "memory_gb", "system"}
    assert report["versions"].keys() >= {"python", "depthwire", "numpy", "pyzmq"}
    assert report["settings"]["mix"] == {"metric_depth": 1, "pc": 1}
    assert [run["load"] for run in report["results"]["runs"]] == [1, 2]
    for run in report["results"]["runs"]:
        assert run["ok"] == run["requests"] > 0
        assert run["errors"] == {}
        assert run["operations"].keys() == {"metric_depth", "pc"}
        assert run["latency_ms"].keys() >= {"p50", "p90", "p99", "p99.9", "samples"}
        assert sum(run["batch_sizes"].values()) == run["ok"]
        assert run["stages_ms"].keys() == {"queue", "decode", "infer", "post", "total"}
        assert run["goodput"].keys() == {"deadline_ms", "per_s", "share"}
        assert run["daemon"].keys() == {"front", "worker 0"}
        assert run["daemon"]["front"]["cpu_us_per_request"] > 0
        assert run["daemon"]["front"]["rss_peak_mb"] > 1
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")


def test_a_daemon_on_this_machine_is_found_and_one_elsewhere_is_not_taken_for_it(null_daemon: str) -> None:
    found = find_daemon(null_daemon)
    assert found is not None
    assert len(found.workers) == 1
    assert find_daemon("tcp://192.0.2.1:5555") is None


def test_a_load_on_nobody_ends_with_a_clear_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["load", "--mix", "metric_depth:0", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "metric_depth" in result.output
    assert "Traceback" not in result.output


def test_record_puts_the_newest_section_first_with_machine_versions_and_command(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    rows = [{"choice": "auto:auto", "model": "m", "failure": "no engine"}]
    report = make_report("engine", {"weights": "random"}, {"speed": rows, "accuracy": [], "nothing": float("nan")})
    write_report(tmp_path / "a.json", report)
    assert json.loads((tmp_path / "a.json").read_text())["results"]["nothing"] is None
    append_section(results, "## 2000-01-01: old\n\nold body\n")
    result = CliRunner().invoke(main, ["record", str(tmp_path / "a.json"), "--into", str(results)])
    assert result.exit_code == 0, result.output
    text = results.read_text()
    assert text.index("the engine alone") < text.index("2000-01-01: old")
    assert text.count("# Results") == 1
    for part in ("- Machine: ", "- Versions: python ", "- Command: `", "not measured: no engine"):
        assert part in text


def test_targets_are_met_missed_or_open_and_open_ones_never_count_as_met() -> None:
    ratio = {"samples": 3, "median": 1.2, "min": 1.1, "max": 1.3}
    peer = {"name": "litserve", "label": "(b)", "ours_over_it": ratio}
    runs = [
        {"load": load, "throughput_per_s": rate, "latency_ms": {"samples": 9, "p99": 1000 * load / 4}}
        for load, rate in ((1, 3.6), (8, 4.0), (64, 3.7))
    ]
    found = {line.target: line for line in verdicts({"peers": {"servers": [peer]}, "sweep": {"runs": runs}})}
    assert found["throughput, 8 clients, over peer (b)"].met is True
    assert found["throughput, 8 clients, over peer fastapi"].met is None
    assert found["throughput's fall from its peak, 1 to 64 clients"].met is False  # 7.5 %
    assert found["p99 over clients × service time (250 ms)"].met is True
    assert found["startup"].met is None
    failed = verdicts({"front": {"failure": "no daemon"}})
    assert [line.value for line in failed if line.target == "front"] == ["no daemon"]
    assert not any(line.met for line in failed)


def test_the_command_in_a_report_names_no_place_on_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "sys.argv", ["/opt/x/bin/depthwire-bench", "load", "--image", "/data/a b.jpg", "--out=/o/bench"]
    )
    assert command_line() == "depthwire-bench load --image 'a b.jpg' --out=bench"


def test_an_error_of_many_lines_stays_in_its_cell_of_the_table() -> None:
    assert markdown_table(("a",), [["Traceback\n  x\nValueError: a|b"]]).splitlines()[2] == "| ValueError: a\\|b |"


def test_a_table_is_markdown_with_aligned_columns() -> None:
    assert markdown_table(("a", "long"), [["xyz", "1"]]) == "| a   | long |\n| --- | ---- |\n| xyz | 1    |"


@pytest.mark.parametrize("model", ["vits", "vits_", "_hypersim", "vits_hypersim_x", "vits_hypersim_518_1"])
def test_a_name_that_is_no_model_is_refused(model: str) -> None:
    with pytest.raises(Exception, match="is not a model"):
        split_model(model)


def test_a_model_is_named_with_or_without_its_input_size() -> None:
    assert split_model("vits_hypersim") == ("vits", "hypersim", None)
    assert split_model("vitb_vkitti_518") == ("vitb", "vkitti", 518)
