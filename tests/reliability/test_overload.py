"""Far more than the daemon can do: what it answers is still in time, it refuses at once, and it is soon over."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from depthwire.bench.load import LoadRun, run_load
from depthwire.bench.statistics import percentile
from depthwire.client import DepthClient, OverloadedError
from tests.e2e.conftest import Daemon, DaemonFactory
from tests.reliability.capacity import answers_by_client, grey_load
from tests.reliability.conftest import Count
from tests.reliability.oracle import Answer, Oracle, grey_jpeg

PICTURE_S = 0.02
CAPACITY = round(1 / PICTURE_S)
MAX_BATCH = 4
FLOOD = 10 * CAPACITY
CLIENTS = 8
DEADLINE_S = 0.5

Figures = dict[str, Any]


@pytest.fixture
def limited_daemon(faulty_daemon: DaemonFactory) -> Callable[..., Daemon]:
    """A daemon that answers `CAPACITY` pictures a second."""

    def start(*arguments: str) -> Daemon:
        environment = {"DEPTHWIRE_TEST_SERVICE_S": str(PICTURE_S)}
        return faulty_daemon("--max-batch", str(MAX_BATCH), *arguments, environment=environment)

    return start


def refusal_ms(run: LoadRun, code: str) -> list[float]:
    """How long each refusal of this code took."""
    records = run.measured.select(np.array([other == code for other in run.measured.code], bool))
    return [1e3 * (done - sent) for done, sent in zip(records.done, records.sent, strict=True)]


def normal_again_at(answers: list[Answer], since: float, limit_s: float) -> float:
    """When the first of five answers in a row that each took less than `limit_s` had come."""
    after = [answer for answer in answers if answer.sent_at + answer.seconds > since]
    for number, first in enumerate(after):
        five = after[number : number + 5]
        if len(five) == 5 and all(answer.seconds < limit_s for answer in five):
            return first.sent_at + first.seconds
    return math.inf


def test_at_ten_times_capacity_what_is_answered_is_in_time_and_latency_is_normal_soon_after(
    limited_daemon: Callable[..., Daemon], count: Count, figures: Figures
) -> None:
    is_soak = count(0, 1)
    daemon = limited_daemon()
    goal = {"clients": CLIENTS, "timeout_s": DEADLINE_S, "deadline_ms": 1e3 * DEADLINE_S, "warmup_s": 0.5}
    calm = run_load(grey_load(daemon, in_flight=2, duration_s=count(2, 15), **goal))
    peak = calm.report()["goodput"]["per_s"]
    with Oracle(daemon.endpoint, interval_s=0.05) as oracle:
        oracle.wait_for_answers(10)
        normal_s = percentile([answer.seconds for answer in oracle.answers], 50)
        burst = run_load(grey_load(daemon, mode="open", rate=FLOOD, duration_s=count(3, 60), **goal))
        oracle.wait_for_answers(40)
    with DepthClient(daemon.endpoint) as client:
        counters = client.health()["counters"]
    of_oracle = [a for a in oracle.answers if burst.begin < a.sent_at <= burst.end and a.seconds <= DEADLINE_S]
    report = burst.report()
    goodput = report["goodput"]["per_s"] + len(of_oracle) / (burst.end - burst.begin)
    normal_after_s = normal_again_at(oracle.answers, burst.end, 2 * normal_s + 0.05) - burst.end
    figures |= {
        "seconds": round(burst.end - burst.begin),
        "requests": len(burst.measured),
        "peak_per_s": round(peak, 1),
        "goodput_per_s": round(goodput, 1),
        "goodput_of_peak": round(goodput / peak, 3),
        "refused_early": counters["refused_early"],
        "refusal_p50_ms": round(percentile(refusal_ms(burst, "DEADLINE_EXCEEDED"), 50), 1),
        "normal_ms": round(1e3 * normal_s, 1),
        "normal_again_after_s": round(normal_after_s, 3),
        "errors": report["errors"],
    }
    assert oracle.wrong == []
    assert set(oracle.codes) == {"OK"}
    assert set(report["errors"]) == {"DEADLINE_EXCEEDED"}
    assert counters["refused_early"] > len(burst.measured) / 3
    assert goodput >= (0.9 if is_soak else 0.5) * peak
    assert normal_after_s <= (1.0 if is_soak else 5.0)


def test_overloaded_is_said_at_once_and_with_the_time_to_come_back(
    limited_daemon: Callable[..., Daemon], count: Count, figures: Figures
) -> None:
    waiting = 60
    daemon = limited_daemon("--max-waiting", str(waiting))
    told_ms: list[float] = []
    over = threading.Event()

    def ask_now_and_then() -> None:
        with DepthClient(daemon.endpoint, retries=0) as client:
            while not over.wait(0.2):
                try:
                    client.metric_depth(grey_jpeg(64, 48, 50), timeout=30)
                except OverloadedError as error:
                    told_ms.append(error.retry_after_ms or 0.0)

    asker = threading.Thread(target=ask_now_and_then)
    asker.start()
    seconds = count(3, 60)
    plan = grey_load(daemon, mode="open", rate=FLOOD, clients=CLIENTS, duration_s=seconds, warmup_s=1.0, timeout_s=30)
    burst = run_load(plan)
    over.set()
    asker.join(60)
    refused = refusal_ms(burst, "OVERLOADED")
    figures |= {
        "seconds": seconds,
        "requests": len(burst.measured),
        "refused": len(refused),
        "refusal_p99_ms": round(percentile(refused, 99), 1),
        "retry_after_ms": [min(told_ms), max(told_ms)],
    }
    assert set(burst.report()["errors"]) == {"OVERLOADED"}
    assert len(refused) > seconds * FLOOD / 2
    assert percentile(refused, 99) <= count(500, 50)
    full_s = (waiting + 3 * MAX_BATCH) / CAPACITY
    assert all(0.2 * full_s < 1e-3 * told < 5 * full_s for told in told_ms)


def test_polite_clients_get_their_share_beside_one_that_floods(
    limited_daemon: Callable[..., Daemon], count: Count, figures: Figures
) -> None:
    daemon = limited_daemon()
    flood, polite = 60, [8] * 4
    seconds = count(3, 60)
    answers = answers_by_client(daemon.endpoint, [flood, *polite], seconds)
    share = sum(answers) / len(answers)
    figures |= {
        "seconds": seconds,
        "answers_of_flood": answers[0],
        "answers_of_polite": answers[1:],
        "least_share": round(min(answers) / share, 3),
    }
    assert share * len(answers) >= 0.5 * CAPACITY * seconds
    assert min(answers[1:]) >= count(5, 9) / 10 * share


def test_one_client_may_not_have_too_many_streams_or_models_in_flight(faulty_daemon: DaemonFactory) -> None:
    limits = ["--max-streams-per-client", "1", "--max-models-per-client", "1"]
    daemon = faulty_daemon(*limits, environment={"DEPTHWIRE_TEST_SERVICE_S": "0.3"})
    picture = grey_jpeg(64, 48, 100)
    cases: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
        ({"stream": "left"}, {"stream": "right"}, "stream", "1 streams"),
        ({}, {"encoder": "vits"}, "encoder", "1 different models"),
    ]
    with DepthClient(daemon.endpoint, retries=0) as client, DepthClient(daemon.endpoint) as other:
        for first, second, field, text in cases:
            running = client.submit("metric_depth", picture, **first)
            with pytest.raises(OverloadedError, match=text) as caught:
                client.metric_depth(picture, **second)
            assert caught.value.field == field
            assert caught.value.retry_after_ms
            other.metric_depth(picture, **second)
            running.result(30)
            client.metric_depth(picture, **second)
