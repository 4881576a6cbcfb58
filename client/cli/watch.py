"""`depthwire health --watch`: a live view of a daemon, made from its health replies alone.

`cli` calls `watch`. On a terminal the view is redrawn in place, elsewhere each look is one line (or one JSON object),
so that it works over SSH, in a log and through a pipe. It outlives the daemon: while none answers, it says so.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click

from depthwire.client.cli.console import nobody_reads
from depthwire.client.cli.session import HEALTH_TIMEOUT_S, Session
from depthwire.client.results import Health
from depthwire.client.view.faults import Exit, fault_of, print_json
from depthwire.protocol import DepthwireError

_WINDOW_S = 5.0
"""What rates and latencies are taken over."""

_HISTORY = 30
_IMAGE_OPS = ("pc", "metric_depth", "rel_depth")
_STAGES = ("queue", "decode", "infer", "post", "total")
_BARS = " ▁▂▃▄▅▆▇█"

_ENTER = "\x1b[?1049h\x1b[?25l"  # the terminal's other screen, without a cursor: what was there comes back
_LEAVE = "\x1b[?25h\x1b[?1049l"
_HOME, _LINE_END, _REST = "\x1b[H", "\x1b[K", "\x1b[J"


@dataclass(frozen=True)
class Activity:
    """What happened between two looks, per second or in milliseconds; None where nothing did."""

    results: float
    errors: float
    dropped: float
    by_model: dict[str, float]
    by_code: dict[str, float]
    latency: dict[str, tuple[float, float] | None]
    """Median and 99th percentile of each stage."""
    batch_size: float | None


class Recorder:
    """Keeps the looks of the last seconds and tells what changed over them, on the daemon's own clock."""

    def __init__(self) -> None:
        self._looks: deque[Health] = deque()
        self.history: deque[float] = deque(maxlen=_HISTORY)
        """Results per second, between each two looks."""

    def add(self, report: Health) -> Activity | None:
        """What happened up to this look; None for the first one, and for a daemon that says too little."""
        now = _number(report.get("uptime_s"))
        if now is None:
            return None
        if self._looks and now < self._looks[-1]["uptime_s"]:  # another daemon, whose counters began again
            self._looks.clear()
        if self._looks and (step := _activity(self._looks[-1], report)) is not None:
            self.history.append(step.results)
        while len(self._looks) > 1 and now - self._looks[1]["uptime_s"] >= _WINDOW_S:
            self._looks.popleft()
        before = self._looks[0] if self._looks else None
        self._looks.append(report)
        return None if before is None else _activity(before, report)


def watch(session: Session, interval_s: float, as_json: bool) -> int:
    """Show the daemon's health until Ctrl-C, which is how it is meant to end: exit code 0."""
    in_place = not as_json and _is_terminal()
    recorder = Recorder()
    try:
        with session.open_client(min(HEALTH_TIMEOUT_S, max(2.0, interval_s))) as client, _screen(in_place) as draw:
            while True:
                begun = time.monotonic()
                try:
                    report = client.health()
                except DepthwireError as error:
                    report, problem = {}, fault_of(error)
                    if as_json:
                        print_json({"ok": False, "error": problem.as_json()})
                    else:
                        draw([f"{client.endpoint}: {problem.message}"])
                else:
                    activity = recorder.add(report)
                    if as_json:
                        print_json({"ok": True, "endpoint": client.endpoint, **report})
                    elif in_place:
                        draw(view(report, activity, client.endpoint, recorder.history))
                    else:
                        draw([line(report, activity)])
                sys.stdout.flush()
                if nobody_reads():  # `… | head`: whoever read has enough
                    return Exit.DONE
                time.sleep(max(0.0, interval_s - (time.monotonic() - begun)))
    except KeyboardInterrupt:
        return Exit.DONE


def line(report: Health, activity: Activity | None) -> str:
    """One look as one line."""
    queue = _map(report.get("queue"))
    parts = [time.strftime("%H:%M:%S"), _word(report.get("status")), "ready" if report.get("ready") else "not-ready"]
    if activity is not None:
        parts += [f"{activity.results:.1f}/s", f"{activity.errors:.1f} errors/s", f"{activity.dropped:.1f} dropped/s"]
        if (total := activity.latency.get("total")) is not None:
            parts.append(f"p50 {total[0]:.1f} ms p99 {total[1]:.1f} ms")
        if activity.batch_size is not None:
            parts.append(f"batches of {activity.batch_size:.1f}")
    workers = [_map(worker) for worker in report.get("workers") or []]
    parts.append(f"{_word(queue.get('waiting'))} waiting {_word(queue.get('in_flight'))} in flight")
    parts.append(f"{sum(w.get('ready') is True for w in workers)} of {len(workers)} workers")
    return "  ".join([*parts, *(_word(problem) for problem in report.get("problems") or [])])


def view(report: Health, activity: Activity | None, endpoint: str, history: Sequence[float] = ()) -> list[str]:
    """One look as the lines of a screen. Every field of the report may be missing or nil."""
    queue = _map(report.get("queue"))
    ready = "ready for images" if report.get("ready") else "NOT READY for images"
    lines = [
        f"depthwired {_word(report.get('version'))} at {endpoint}   {_word(report.get('status')).upper()}, {ready}",
        f"{time.strftime('%H:%M:%S')}, up {span(report.get('uptime_s'))}; {_word(report.get('engine'))} on "
        f"{_word(report.get('device'))}, {_word(report.get('precision'))}; Ctrl-C ends",
        "",
    ]
    lines += [f"  ! {_word(problem)}" for problem in report.get("problems") or []]
    if activity is None:
        lines.append("  answers   (from the next look on)")
    else:
        codes = ", ".join(f"{_word(code)} {rate:.1f}" for code, rate in sorted(activity.by_code.items()))
        lines.append(f"  answers   {activity.results:8.1f} /s   {_bars(history)}")
        lines.append(f"  errors    {activity.errors:8.1f} /s   {codes}")
        lines.append(f"  dropped   {activity.dropped:8.1f} /s")
        lines.append("")
        lines.append("  latency        p50        p99   ms")
        for stage in _STAGES:
            times = activity.latency.get(stage)
            numbers = f"{'-':>10} {'-':>10}" if times is None else f"{times[0]:10.1f} {times[1]:10.1f}"
            lines.append(f"    {stage:7}{numbers}")
        lines.append(f"  batches   {'-' if activity.batch_size is None else f'{activity.batch_size:.1f}'} on average")
    lines += [
        "",
        f"  queue     {_word(queue.get('waiting'))} waiting ({_mebibytes(queue.get('waiting_bytes'))} MiB), "
        f"{_word(queue.get('in_flight'))} in flight; arena {_mebibytes(queue.get('arena_used_bytes'))} of "
        f"{_mebibytes(queue.get('arena_bytes'))} MiB",
    ]
    for slot, worker in enumerate(_map(worker) for worker in report.get("workers") or []):
        state = "ready" if worker.get("ready") else f"not ready ({_word(worker.get('state'))})"
        lines.append(
            f"  worker {slot}  {state}, {_word(worker.get('device'))}, pid {_word(worker.get('pid'))}, "
            f"{_word(worker.get('restarts'))} restarts"
        )
    rates = activity.by_model if activity else {}
    for model in sorted({*map(_word, report.get("models_loaded") or []), *rates}):
        lines.append(f"  model     {model}  {rates.get(model, 0.0):.1f} /s")
    lines += [f"  loading   {_word(model)}" for model in report.get("models_loading") or []]
    if notice := report.get("notice"):
        lines += ["", f"  {_word(notice)}"]
    return lines


def _activity(before: Health, after: Health) -> Activity | None:
    seconds = after["uptime_s"] - before["uptime_s"]
    if seconds <= 0:
        return None
    answers = _difference(_answers(before), _answers(after))
    codes = {code: count / seconds for code, count in answers.items() if code != "OK" and count}
    models = _difference(_counts(before, "models"), _counts(after, "models"))
    dropped = _difference(_counts(before, "dropped"), _counts(after, "dropped"))
    latency_before, latency_after = _map(before.get("latency")), _map(after.get("latency"))
    bounds = _numbers(latency_after.get("bounds_ms"))
    latency = {}
    for stage in _STAGES:
        counts = _bucket_difference(_stage(latency_before, stage), _stage(latency_after, stage))
        latency[stage] = (_quantile(bounds, counts, 0.5), _quantile(bounds, counts, 0.99)) if any(counts) else None
    batches_before, batches_after = _map(latency_before.get("batch_size")), _map(latency_after.get("batch_size"))
    batches = sum(_bucket_difference(batches_before, batches_after))
    requests = (_number(batches_after.get("sum")) or 0) - (_number(batches_before.get("sum")) or 0)
    return Activity(
        results=answers.get("OK", 0) / seconds,
        errors=sum(codes.values()),
        dropped=sum(dropped.values()) / seconds,
        by_model={model: count / seconds for model, count in models.items() if count},
        by_code=codes,
        latency=latency,
        batch_size=requests / batches if batches else None,
    )


def _answers(report: Health) -> dict[str, float]:
    """How many answers to images there were of each code."""
    codes: dict[str, float] = {}
    for op, counts in _map(_map(report.get("counters")).get("answers")).items():
        if op in _IMAGE_OPS:
            for code, count in _map(counts).items():
                codes[code] = codes.get(code, 0) + (_number(count) or 0)
    return codes


def _counts(report: Health, name: str) -> dict[str, float]:
    counts = _map(_map(report.get("counters")).get(name))
    return {_word(key): _number(count) or 0 for key, count in counts.items()}


def _difference(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: max(0, count - before.get(name, 0)) for name, count in after.items()}


def _stage(latency: dict[str, Any], stage: str) -> dict[str, Any]:
    return _map(_map(latency.get("stages")).get(stage))


def _bucket_difference(before: dict[str, Any], after: dict[str, Any]) -> list[float]:
    old, new = _numbers(before.get("counts")), _numbers(after.get("counts"))
    return [max(0, count - past) for past, count in zip(old or [0] * len(new), new, strict=False)]


def _quantile(bounds: Sequence[float], counts: Sequence[float], share: float) -> float:
    """Where `share` of the counted values lie below, taken as evenly spread within their bucket."""
    wanted, low = share * sum(counts), 0.0
    for bound, count in zip(bounds, counts, strict=False):
        if count and wanted <= count:
            return low + (bound - low) * wanted / count
        wanted, low = wanted - count, bound
    return low  # above all bounds: at least this


def _bars(values: Sequence[float]) -> str:
    """The values as a row of bars; nothing where the terminal cannot show them."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    top = max(values, default=0.0)
    if encoding != "utf8" or not top:
        return ""
    return "".join(_BARS[round((len(_BARS) - 1) * value / top)] for value in values)


@contextmanager
def _screen(in_place: bool) -> Iterator[Any]:
    """Yields what shows lines: on the terminal's other screen, cut to its size, or one after the other."""
    if not in_place:
        yield lambda lines: click.echo("\n".join(lines))
        return

    def draw(lines: Sequence[str]) -> None:
        columns, rows = shutil.get_terminal_size()
        shown = [text[: columns - 1] + _LINE_END for text in lines[: rows - 1]]
        sys.stdout.write(_HOME + "\r\n".join(shown) + "\r\n" + _REST)

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)  # so that the terminal gets its own screen and cursor back first

    handlers = {number: signal.signal(number, end) for number in (signal.SIGTERM, *_HANG_UP)}
    sys.stdout.write(_ENTER)
    try:
        yield draw
    finally:
        sys.stdout.write(_LEAVE)
        sys.stdout.flush()
        for number, handler in handlers.items():
            signal.signal(number, handler)


_HANG_UP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _numbers(value: Any) -> list[float]:
    return [_number(element) or 0 for element in value] if isinstance(value, list) else []


def _word(value: Any) -> str:
    """A value for the screen: what a stranger's daemon says must not steer the terminal."""
    return "?" if value is None else "".join(c if c.isprintable() else "?" for c in str(value))


def _mebibytes(value: Any) -> str:
    number = _number(value)
    return "?" if number is None else f"{number / 2**20:.4g}"


def span(seconds: Any) -> str:
    """Seconds as people say them."""
    number = _number(seconds)
    if number is None:
        return "?"
    minutes, hours, days = int(number // 60), int(number // 3600), int(number // 86400)
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {int(number % 60)} s"
