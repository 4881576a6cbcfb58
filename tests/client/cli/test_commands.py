"""The `depthwire` command against a scripted daemon: files, JSON lines, exit codes, advice instead of tracebacks."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from depthwire.client.cli import __main__ as cli
from depthwire.client.cli import depth as cli_depth
from depthwire.client.streams import image_files
from depthwire.client.view import pictures
from depthwire.client.view.faults import Exit
from depthwire.protocol import BadImageError, DeadlineExceededError, ModelNotFoundError, ResultOptions, result_header
from tests.client.fake_daemon import HEIGHT, WIDTH, FakeDaemon, Heard, answer_frames

CAMERA_YAML = f"camera_matrix: [[50, 0, 15.5], [0, 50, 11.5], [0, 0, 1]]\nwidth: {WIDTH}\nheight: {HEIGHT}\n"


@pytest.fixture(autouse=True)
def _nobody_elses_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DEPTHWIRE_ENDPOINT", raising=False)
    monkeypatch.delenv("DEPTHWIRE_CHECKPOINTS", raising=False)
    monkeypatch.setenv("DEPTHWIRE_PROFILES", str(tmp_path / "profiles.yaml"))


def run(endpoint: str | FakeDaemon, *arguments: object, stdin: bytes | None = None) -> Result:
    address = endpoint if isinstance(endpoint, str) else endpoint.endpoint
    return CliRunner().invoke(cli.main, ["--endpoint", address, *map(str, arguments)], input=stdin)


def json_lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def picture(path: Path, colour: tuple[int, int, int] = (200, 100, 50), exif: bytes = b"") -> Path:
    """A picture of the size that the scripted daemon answers for."""
    Image.new("RGB", (WIDTH, HEIGHT), colour).save(path, **({"exif": exif} if exif else {}))
    return path


def read_ply(path: Path) -> np.ndarray:
    header, body = path.read_bytes().split(b"end_header\n", 1)
    lines = header.decode("ascii").splitlines()
    kinds = {"float": "<f4", "uchar": "u1"}
    fields = [(line.split()[2], kinds[line.split()[1]]) for line in lines if line.startswith("property")]
    count = next(int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    vertices = np.frombuffer(body, np.dtype(fields))
    assert len(vertices) == count
    return vertices


# health


def test_health_is_readable_also_where_the_daemon_says_little(daemon: FakeDaemon) -> None:
    result = run(daemon, "health")
    assert result.exit_code == Exit.DONE
    assert f"at {daemon.endpoint}: ok" in result.stdout
    assert "not ready" in result.stdout


def test_health_passes_the_notice_on_and_tells_readiness_by_exit_code(daemon: FakeDaemon) -> None:
    ready = {"status": "ok", "ready": True, "notice": "small stand-in; more", "limits": {"max_image_bytes": 2**25}}
    daemon.script = lambda d, heard: d.send(heard, result_header(heard.request.id, "health", ready))
    result = run(daemon, "health", "--ready")
    assert result.exit_code == Exit.DONE
    assert "notice     small stand-in; more" in result.stdout
    assert "32 MiB" in result.stdout
    daemon.script = FakeDaemon.answer
    assert run(daemon, "health", "--ready").exit_code == Exit.REFUSED


def test_health_as_json_is_one_object_with_the_report(daemon: FakeDaemon) -> None:
    (report,) = json_lines(run(daemon, "health", "--json"))
    assert report == {"ok": True, "endpoint": daemon.endpoint, "status": "ok", "models_loaded": []}


@pytest.mark.parametrize("command", ["health", "depth"])
def test_without_a_daemon_one_line_says_how_to_start_one(no_daemon: str, tmp_path: Path, command: str) -> None:
    arguments = [] if command == "health" else [picture(tmp_path / "a.png"), "-o", tmp_path]
    result = run(no_daemon, "--timeout", 0.5, command, *arguments)
    assert result.exit_code == Exit.NO_DAEMON
    assert len(result.stderr.splitlines()) == 1
    assert "Start it with `depthwired`" in result.stderr


def test_a_silent_daemon_is_told_from_one_that_is_not_there(daemon: FakeDaemon) -> None:
    daemon.script = FakeDaemon.hold
    result = run(daemon, "--timeout", 0.3, "health", "--json")
    assert result.exit_code == Exit.TOO_LATE
    assert json_lines(result)[0]["error"]["code"] == "DEADLINE_EXCEEDED"


# which daemon


def test_flag_beats_profile_and_profile_beats_environment(
    daemon: FakeDaemon, no_daemon: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = tmp_path / "profiles.yaml"
    profiles.write_text(f"profiles:\n  lab: {{endpoint: '{daemon.endpoint}', model: vitl_vkitti_518}}\n")
    monkeypatch.setenv("DEPTHWIRE_ENDPOINT", no_daemon)
    by_profile = CliRunner().invoke(cli.main, ["--profile", "lab", "health"])
    assert by_profile.exit_code == Exit.DONE
    by_flag = run(no_daemon, "--profile", "lab", "--timeout", 0.3, "health")
    assert by_flag.exit_code == Exit.NO_DAEMON
    monkeypatch.setenv("DEPTHWIRE_ENDPOINT", daemon.endpoint)
    assert CliRunner().invoke(cli.main, ["health"]).exit_code == Exit.DONE


def test_a_model_on_the_command_line_replaces_the_profiles_with_its_size_and_range(
    daemon: FakeDaemon, tmp_path: Path
) -> None:
    (tmp_path / "profiles.yaml").write_text(
        f"profiles:\n  lab: {{endpoint: '{daemon.endpoint}', model: vitl_vkitti_518, max_depth: 60}}\n"
    )
    image = picture(tmp_path / "a.png")
    for options in ([], ["--model", "vits_hypersim"]):
        arguments = ["--profile", "lab", "depth", str(image), "-o", str(tmp_path), "--format", "npy", *options]
        assert CliRunner().invoke(cli.main, arguments).exit_code == Exit.DONE
    first, second = (heard.request for heard in daemon.heard if heard.request.op == "metric_depth")
    assert (first.encoder, first.dataset, first.model_input_size, first.max_depth) == ("vitl", "vkitti", 518, 60)
    assert (second.encoder, second.dataset, second.model_input_size, second.max_depth) == (
        "vits",
        "hypersim",
        None,
        None,
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--endpoint", "nonsense", "health"], "write it as tcp://HOST:PORT"),
        (["--profile", "lab", "health"], "does not exist"),
        (["--timeout", "0", "health"], "not in the range"),
        (["depth", "x.jpg"], "--output"),
        (["depth", "x.jpg", "-o", "out", "--model", "vits"], "encoder_dataset_size"),
        (["depth", "x.jpg", "-o", "out", "--model", "vits_hypersim", "--encoder", "vitb"], "--model says it all"),
        (["depth", "x.jpg", "-o", "out", "--model-input-size", "500"], "490 is the next below"),
        (["depth", "x.jpg", "-o", "out", "--format", "exr"], "there are png16, npy, picture"),
        (["depth", "x.jpg", "-o", "out", "--format", "png16", "--relative"], "no unit"),
        (["depth", "x.jpg", "-o", "out", "--range", "5", "1"], "NEAR < FAR"),
        (["depth", "x.jpg", "-o", "out", "--range", "0.3", "5", "--relative"], "no unit"),
        (["depth", "x.jpg", "-o", "out", "--depth-format", "uint16_mm", "--relative"], "no unit"),
        (["pc", "x.jpg", "-o", "cloud.ply", "--stride", "0"], "not in the range"),
        (["depth", "-", "-", "-o", "out"], "only once"),
        (["pc", "x.jpg", "y.jpg", "-o", "cloud.ply"], "give a folder"),
        (["pc", "x.jpg", "-o", "cloud.ply", "--fov", "70", "--intrinsics", __file__], "not both"),
        (["pc", "x.jpg", "-o", "cloud.ply", "--intrinsics", __file__], "camera_matrix"),
    ],
)
def test_a_wrong_command_line_is_explained_with_exit_code_2(
    arguments: list[str], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.main, arguments)
    as_json = CliRunner().invoke(cli.main, [*arguments, "--json"])
    assert result.exit_code == as_json.exit_code == Exit.USAGE
    assert text in " ".join(result.stderr.split())
    assert json_lines(as_json)[0]["ok"] is False
    assert text in json_lines(as_json)[0]["error"]["message"]


def test_help_and_version_end_with_0() -> None:
    assert "Exit codes" in CliRunner().invoke(cli.main, ["depth", "--help"]).stdout
    assert CliRunner().invoke(cli.main, ["--version"]).exit_code == 0


# depth


def test_depth_writes_millimetres_metres_and_a_picture(daemon: FakeDaemon, tmp_path: Path) -> None:
    result = run(daemon, "depth", picture(tmp_path / "room.jpg"), "-o", tmp_path / "out" / "deep", "--max-depth", 20)
    assert result.exit_code == Exit.DONE
    out = tmp_path / "out" / "deep"
    assert np.load(out / "room_depth.npy").dtype == np.float32
    assert np.load(out / "room_depth.npy").shape == (HEIGHT, WIDTH)
    with Image.open(out / "room_depth_mm.png") as millimetres:
        assert millimetres.mode in ("I;16", "I")  # as old releases of Pillow read sixteen bits
        assert millimetres.size == (WIDTH, HEIGHT)
    with Image.open(out / "room_depth_picture.png") as coloured:
        assert coloured.height > HEIGHT
    request = daemon.heard[0].request
    assert (request.op, request.max_depth) == ("metric_depth", 20)
    assert bytes(request.image or b"") == (tmp_path / "room.jpg").read_bytes()


def test_what_the_daemon_is_to_do_with_the_depth_is_said_on_the_command_line(
    daemon: FakeDaemon, tmp_path: Path
) -> None:
    daemon.script = lambda d, heard: d.send(heard, *answer_frames(heard.request, 3))
    options = ["--range", 0.3, 20, "--edge-filter", 0.05, "--stride", 5, "--depth-format", "uint16_mm"]
    (line,) = json_lines(run(daemon, "depth", picture(tmp_path / "a.png"), "-o", tmp_path, *options, "--json"))
    assert daemon.heard[0].request.options == ResultOptions((0.3, 20.0), 0.05, 5, depth_format="uint16_mm")
    rows, columns = -(-HEIGHT // 5), -(-WIDTH // 5)
    assert (line["width"], line["height"], line["min"]) == (columns, rows, 3)
    kept = np.load(line["files"]["npy"])
    assert (kept.dtype, kept.shape) == (np.uint16, (rows, columns))
    with Image.open(line["files"]["png16"]) as millimetres:
        assert (np.asarray(millimetres) == 3000).all()
    with Image.open(line["files"]["picture"]) as coloured:
        assert coloured.size[0] >= columns


def test_relative_depth_has_no_millimetres_and_no_range(daemon: FakeDaemon, tmp_path: Path) -> None:
    image = picture(tmp_path / "room.png")
    (line,) = json_lines(run(daemon, "depth", image, "-o", tmp_path, "--relative", "--max-depth", 9, "--json"))
    assert sorted(line["files"]) == ["npy", "picture"]
    assert Path(line["files"]["npy"]).name == "room_relative.npy"
    assert (daemon.heard[0].request.op, daemon.heard[0].request.max_depth) == ("rel_depth", None)


def test_standard_input_is_an_image_too(daemon: FakeDaemon, tmp_path: Path) -> None:
    data = picture(tmp_path / "a.png").read_bytes()
    result = run(daemon, "depth", "-", "-o", tmp_path, "--format", "npy", "--json", stdin=data)
    assert [line["image"] for line in json_lines(result)] == ["-"]
    assert (tmp_path / "stdin_depth.npy").exists()
    empty = run(daemon, "depth", "-", "-o", tmp_path, stdin=b"")
    assert "standard input is empty" in empty.stderr


def test_a_folder_is_its_pictures_in_order_without_what_depthwire_wrote(daemon: FakeDaemon, tmp_path: Path) -> None:
    for name in ("b.jpg", "a.PNG", "c.webp"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no picture")
    for _ in range(2):
        result = run(daemon, "depth", tmp_path, "-o", tmp_path, "--in-flight", 1, "--json")
        assert [Path(line["image"]).name for line in json_lines(result)] == ["a.PNG", "b.jpg", "c.webp"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert run(daemon, "depth", empty, "-o", tmp_path).exit_code == Exit.USAGE


@pytest.mark.parametrize("form", [[], ["--json"]])
@pytest.mark.parametrize(
    "command", [["depth", "URL", "-o", "OUT"], ["stream", "URL"], ["stream", "VIDEO"], ["stream", "NONE"]]
)
def test_a_password_in_a_url_is_printed_nowhere(
    command: list[str], form: list[str], daemon: FakeDaemon, tmp_path: Path
) -> None:
    words = {"URL": "http://admin:s3cret@127.0.0.1:1/snap.jpg", "VIDEO": "rtsp://admin:s3cret@127.0.0.1:1/1"}
    words |= {"OUT": str(tmp_path), "NONE": "sftp://admin:s3cret@127.0.0.1"}
    result = run(daemon, *(words.get(word, word) for word in command), *form)
    assert result.exit_code in (Exit.FAILED, Exit.USAGE)
    assert "s3cret" not in result.output + result.stderr
    assert "127.0.0.1" in result.output


def test_the_timeout_is_also_that_of_fetching_a_url(
    daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float] = []

    def too_slow(word: str, *, fetch_timeout_s: float) -> bytes:
        limits.append(fetch_timeout_s)
        raise DeadlineExceededError("not fetched")

    monkeypatch.setattr(image_files, "encoded_image", too_slow)
    for timeout in (["--timeout", 3], ["--timeout", 90], []):
        assert run(daemon, *timeout, "depth", "http://h/x.jpg", "-o", tmp_path).exit_code == Exit.TOO_LATE
        assert run(daemon, *timeout, "stream", "http://h/x.jpg").exit_code == Exit.TOO_LATE
    assert limits == [3, 3, 90, 90, 20, 20]


def test_hidden_files_are_passed_over_and_other_formats_are_named(daemon: FakeDaemon, tmp_path: Path) -> None:
    folder = tmp_path / "mac"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        picture(folder / name)
    for name in ("._a.jpg", ".hidden.jpg", "c.HEIC", "d.tif"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    for command in (["depth", folder, "-o", tmp_path / "out"], ["stream", folder]):
        result = run(daemon, *command)
        assert result.exit_code == Exit.DONE
        assert result.stderr.count("2 pictures are passed over: c.HEIC, d.tif cannot be sent") == 1
    for name in ("a.jpg", "b.jpg"):
        (folder / name).unlink()
    result = run(daemon, "depth", folder, "-o", tmp_path / "out")
    assert result.exit_code == Exit.USAGE
    assert "c.HEIC, d.tif" in result.stderr


def test_exif_rotation_is_said_once(daemon: FakeDaemon, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    images = [picture(tmp_path / f"{name}.jpg", exif=exif.tobytes()) for name in "ab"]
    for command in (["depth", *images, "-o", tmp_path / "out", "--json"], ["stream", tmp_path]):
        result = run(daemon, *command)
        assert result.exit_code == Exit.DONE
        assert result.stderr.count("a.jpg is to be shown turned (by 90°)") == 1
        assert result.stderr.count("stored pixels") == 1


def test_a_calibration_of_another_aspect_is_said_once(daemon: FakeDaemon, tmp_path: Path) -> None:
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    camera = tmp_path / "camera.yaml"
    camera.write_text(CAMERA_YAML.replace(f"height: {HEIGHT}", f"height: {2 * HEIGHT}"))
    for command in (["pc", tmp_path, "-o", tmp_path / "out"], ["stream", tmp_path, "--cloud"]):
        result = run(daemon, *command, "--json", "--intrinsics", camera)
        assert result.exit_code == Exit.DONE
        assert result.stderr.count("another aspect") == 1
        assert all("another aspect" in line["warning"] for line in json_lines(result))


def test_names_that_repeat_get_a_number() -> None:
    sources = image_files.sources_of(["a/x.jpg", "b/x.png", "https://h.example/p/x.jpg?size=2", "https://h.example/"])
    assert [source.name for source in sources] == ["x", "x_2", "x_3", "h.example"]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["a/img.jpg", "a/img.png", "a/img_2.jpg"], ["img", "img_3", "img_2"]),
        (["a/img_2.jpg", "a/img.jpg", "a/img.png"], ["img_2", "img", "img_3"]),
        (["a/img.jpg", "b/img.jpg", "a/img_2.jpg", "b/img_2.jpg"], ["img", "img_3", "img_2", "img_2_2"]),
    ],
)
def test_a_number_makes_no_name_that_another_image_has(arguments: list[str], names: list[str]) -> None:
    assert [source.name for source in image_files.sources_of(arguments)] == names


def test_thousands_of_images_of_one_name_are_named_without_delay() -> None:
    begun = time.monotonic()
    names = {source.name for source in image_files.sources_of([f"{folder}/frame.jpg" for folder in range(20_000)])}
    assert len(names) == 20_000
    assert time.monotonic() - begun < 5


def test_many_requests_are_in_flight_but_no_more_than_asked(daemon: FakeDaemon, tmp_path: Path) -> None:
    """The first image goes alone; then the daemon holds back until it has heard three, and never hears a fourth."""
    images = [picture(tmp_path / f"{n}.png") for n in range(7)]
    held: list[Heard] = []
    most = 0

    def script(d: FakeDaemon, heard: Heard) -> None:
        nonlocal most
        if len(d.heard) == 1:
            return d.answer(heard)
        held.append(heard)
        most = max(most, len(held))
        if len(held) == 3:
            while held:
                d.answer(held.pop())
        return None

    daemon.script = script
    result = run(daemon, "depth", *images, "-o", tmp_path, "--format", "npy", "--in-flight", 3, "--json")
    assert result.exit_code == Exit.DONE
    assert len(json_lines(result)) == 7
    assert most == 3


def test_one_failing_image_is_reported_and_the_rest_goes_on(daemon: FakeDaemon, tmp_path: Path) -> None:
    good = [picture(tmp_path / f"{n}.png") for n in range(3)]
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"bad")

    def script(d: FakeDaemon, heard: Heard) -> None:
        if bytes(heard.request.image or b"") == b"bad":
            d.refuse(heard, BadImageError("image is not a JPEG, PNG or WebP", field="image"))
        else:
            d.answer(heard)

    daemon.script = script
    images = [tmp_path / "missing.png", good[0], bad, *good[1:]]
    result = run(daemon, "depth", *images, "-o", tmp_path, "--format", "npy")
    assert result.exit_code == Exit.FAILED
    assert len(result.stdout.splitlines()) == 3
    assert f"{tmp_path / 'missing.png'}: No such file" in result.stderr
    assert f"{bad}: image is not a JPEG" in result.stderr
    assert "3 of 5 images done, 2 failed" in result.stderr

    lines = json_lines(run(daemon, "depth", *images, "-o", tmp_path, "--format", "npy", "--json"))
    outcome = {Path(line["image"]).name: line["ok"] for line in lines}
    assert outcome == {"missing.png": False, "0.png": True, "bad.png": False, "1.png": True, "2.png": True}
    assert run(daemon, "depth", bad, "-o", tmp_path).exit_code == Exit.REFUSED
    assert run(daemon, "depth", tmp_path / "missing.png", "-o", tmp_path).exit_code == Exit.FAILED


def test_what_all_images_would_meet_ends_the_run_at_the_first(daemon: FakeDaemon, tmp_path: Path) -> None:
    images = [picture(tmp_path / f"{n}.png") for n in range(20)]
    daemon.script = lambda d, heard: d.refuse(heard, ModelNotFoundError("no model vitx_foo"))
    result = run(daemon, "depth", *images, "-o", tmp_path, "--model", "vitx_foo", "--json")
    assert result.exit_code == Exit.REFUSED
    assert len(daemon.heard) == 1
    codes = [line["error"]["code"] for line in json_lines(result)]
    assert codes == ["MODEL_NOT_FOUND"] + 19 * ["NOT_TRIED"]
    assert "0 of 20 images done, 1 failed, 19 not tried" in result.stderr


def test_numbers_that_json_cannot_say_become_null(daemon: FakeDaemon, tmp_path: Path) -> None:
    report = {"status": "ok", "uptime_s": float("nan"), "queue": {"waiting": float("inf")}}
    daemon.script = lambda d, heard: d.send(heard, result_header(heard.request.id, "health", report))
    (line,) = json_lines(run(daemon, "health", "--json"))
    assert line["uptime_s"] is None
    assert line["queue"] == {"waiting": None}


def test_an_output_folder_that_cannot_be_is_said_before_anything_is_sent(daemon: FakeDaemon, tmp_path: Path) -> None:
    image = picture(tmp_path / "a.png")
    result = run(daemon, "depth", image, "-o", image)
    assert result.exit_code == Exit.FAILED
    assert "cannot be a folder for the output" in result.stderr
    assert daemon.heard == []


def test_a_far_window_does_not_flatten_the_scale_of_a_room() -> None:
    room = np.linspace(2, 6, 10_000, dtype=np.float32).reshape(100, 100)
    assert pictures.readable_far(room) is None
    room[:10] = 80
    assert pictures.readable_far(room) == pytest.approx(4 * np.median(room))
    assert pictures.readable_far(np.full((4, 4), np.nan)) is None


# pc


def test_pc_writes_a_coloured_cloud_with_the_given_camera(daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "cam.yaml").write_text(CAMERA_YAML)
    image = picture(tmp_path / "room.png")
    cloud = tmp_path / "new" / "cloud.ply"
    daemon.script = lambda daemon, heard: daemon.send(heard, *answer_frames(heard.request, 7))
    (line,) = json_lines(run(daemon, "pc", image, "--intrinsics", tmp_path / "cam.yaml", "-o", cloud, "--json"))
    assert line["points"] == HEIGHT * WIDTH
    assert line["camera_intrinsics"]["fx"] == 50
    assert "assumed_field_of_view_deg" not in line
    vertices = read_ply(cloud)
    assert len(vertices) == HEIGHT * WIDTH
    assert all((vertices[colour] == 7).all() for colour in ("red", "green", "blue"))
    used = daemon.heard[0].request.intrinsics
    assert used is not None
    assert (used.fx, used.cx, used.width) == (50, 15.5, WIDTH)


def test_a_calibration_with_distortion_says_so(daemon: FakeDaemon, tmp_path: Path) -> None:
    image, camera = picture(tmp_path / "a.png"), tmp_path / "camera.yaml"
    camera.write_text(CAMERA_YAML + "distortion_coefficients: [0.1, 0, 0, 0, 0]\n")
    for command in (["pc", image, "-o", tmp_path / "x.ply"], ["stream", image, "--cloud", "--json"]):
        result = run(daemon, *command, "--intrinsics", camera)
        assert result.exit_code == Exit.DONE
        assert result.stderr.count("the lens has distortion") == 1


def test_without_intrinsics_a_field_of_view_is_assumed_and_said(daemon: FakeDaemon, tmp_path: Path) -> None:
    images = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png")]
    result = run(daemon, "pc", *images, "-o", tmp_path / "clouds", "--fov", 90)
    assert result.exit_code == Exit.DONE
    assert result.stderr.count("assuming a camera with a horizontal field of view of 90°") == 1
    used = daemon.heard[0].request.intrinsics
    assert used is not None
    assert used.fx == pytest.approx(WIDTH / 2)
    assert (used.cx, used.cy) == ((WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    assert sorted(path.name for path in (tmp_path / "clouds").iterdir()) == ["a.ply", "b.ply"]


# models, and what is not installed


def test_models_lists_licences_and_what_is_here(tmp_path: Path) -> None:
    (tmp_path / "depth_anything_v2_metric_hypersim_vits.pth").write_bytes(b"weights")
    result = CliRunner().invoke(cli.main, ["models", "--checkpoints", str(tmp_path)])
    assert result.exit_code == Exit.DONE
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert "CC-BY-NC-4.0" in rows["vitl_vkitti"]
    assert str(tmp_path) in rows["vits_hypersim"]
    assert "built in" in rows["vitt_starter"]
    (document,) = json_lines(CliRunner().invoke(cli.main, ["models", "--checkpoints", str(tmp_path), "--json"]))
    assert document["default_model"] == "vits_hypersim_518"
    assert {model["name"] for model in document["models"]} >= {"vitt_starter", "vits_relative", "vitl_hypersim"}


def test_models_without_the_daemon_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "depthwire.daemon.models", None)
    result = CliRunner().invoke(cli.main, ["models"])
    assert result.exit_code == Exit.FAILED
    assert "pip install '.[daemon]' in a checkout" in result.stderr


def test_without_pillow_pictures_are_refused_with_advice_and_the_rest_works(
    daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cam.yaml").write_text(CAMERA_YAML)
    image = picture(tmp_path / "a.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    for arguments in (["depth", image, "-o", tmp_path], ["pc", image, "-o", tmp_path / "c.ply"]):
        result = run(daemon, *arguments)
        assert result.exit_code == Exit.FAILED
        assert "pip install '.[pictures]'" in result.stderr
        assert len([line for line in result.stderr.splitlines() if "assuming" not in line]) == 1
    assert run(daemon, "depth", image, "-o", tmp_path, "--format", "npy").exit_code == Exit.DONE
    known = ["--intrinsics", tmp_path / "cam.yaml"]
    for more, names in (["--no-colours"], ()), ([], ("red", "green", "blue")):
        assert run(daemon, "pc", image, "-o", tmp_path / "c.ply", *known, *more).exit_code == Exit.DONE
        assert read_ply(tmp_path / "c.ply").dtype.names == ("x", "y", "z", *names)


def test_a_picture_that_pillow_cannot_read_is_one_failing_image(daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"not a picture")
    result = run(daemon, "pc", tmp_path / "a.png", "-o", tmp_path / "c.ply")
    assert result.exit_code == Exit.REFUSED
    assert "not a picture that can be read" in result.stderr


def test_the_command_imports_neither_pillow_nor_the_daemon_by_itself() -> None:
    code = (
        "import sys, depthwire.client.cli\n"
        "heavy = {'PIL', 'torch', 'cv2', 'tqdm', 'yaml', 'depthwire.daemon'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


def test_ctrl_c_ends_with_130_and_without_a_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_depth, "process", interrupted)
    result = run("tcp://127.0.0.1:9", "depth", picture(tmp_path / "a.png"), "-o", tmp_path)
    assert result.exit_code == Exit.INTERRUPTED
    assert result.stderr.splitlines()[-1] == "depthwire: interrupted"


@pytest.mark.parametrize("command", ["depth", "pc"])
def test_images_whose_files_are_there_are_skipped_where_that_is_asked(
    command: str, daemon: FakeDaemon, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in "abc":
        picture(folder / f"{name}.png")
    assert run(daemon, command, folder, "-o", out).exit_code == Exit.DONE
    missing = {"depth": "b_depth.npy", "pc": "b.ply"}[command]
    (out / missing).unlink()
    daemon.heard.clear()
    result = run(daemon, command, folder, "-o", out, "--skip-existing", "--json")
    assert result.exit_code == Exit.DONE, result.output
    assert [line.get("skipped", False) for line in json_lines(result)] == [True, True, False]
    assert "2 of 3 images skipped" in result.stderr
    assert (out / missing).is_file()
    assert sum(heard.request.op != "health" for heard in daemon.heard) == 1
    result = run("tcp://127.0.0.1:1", command, folder, "-o", out, "--skip-existing")
    assert result.exit_code == Exit.DONE, "nothing is left to ask a daemon for"


def test_a_full_disk_ends_the_run(daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(5):
        picture(folder / f"{number}.png")

    def full(path: Path, *_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(cli_depth, "write_ply", full)
    result = run(daemon, "pc", folder, "-o", tmp_path / "out", "--in-flight", 1)
    assert result.exit_code == Exit.FAILED
    assert f"{tmp_path / 'out' / '0.ply'}: the disk is full" in result.stderr
    assert "0 of 5 images done, 1 failed, 4 not tried" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are POSIX")
def test_sigterm_ends_a_command_in_order_with_143(daemon: FakeDaemon, tmp_path: Path) -> None:
    daemon.script = FakeDaemon.hold
    command = [sys.executable, "-m", "depthwire.client.cli", "--endpoint", daemon.endpoint, "depth"]
    command += [str(picture(tmp_path / "a.png")), "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    (held,) = daemon.wait_for_requests(1)
    process.terminate()
    _, said = process.communicate(timeout=30)
    assert process.returncode == Exit.TERMINATED
    assert said.strip().splitlines()[-1] == "depthwire: terminated"
    daemon.wait_until(lambda: daemon.cancels == [held.request.id])
