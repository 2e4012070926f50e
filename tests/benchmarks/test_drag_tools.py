"""The slower line of the drag benchmark is as slow as asked, and its figures are those of a record made by hand."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from typing import Any

import pytest

from tests.benchmarks.bench_drag import missed_bars
from tests.benchmarks.delay_proxy import delayed
from tests.benchmarks.drag_figures import (
    DragFigures,
    drag_figures,
    first_at_least,
    growth,
    most_in_flight,
    rate_of,
    response_times,
)

ROUND_TRIP_MS = 60


@pytest.fixture
def echo() -> Any:
    """Port of a server which sends back what one connection says."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += connection.recv(size - len(data))
    return data


def test_proxy_delays_a_round_trip(echo: int) -> None:
    with delayed(echo, ROUND_TRIP_MS) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as near:
        start = time.perf_counter()
        near.sendall(b"x")
        assert receive(near, 1) == b"x"
        assert time.perf_counter() - start >= ROUND_TRIP_MS / 1000


def test_proxy_is_a_line_and_not_a_queue(echo: int) -> None:
    """Ten messages sent at once come back after one round trip and not after ten; every byte arrives, in order."""
    sent = bytes(range(256)) * 1000
    with delayed(echo, ROUND_TRIP_MS) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as near:
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        start = time.perf_counter()
        for place in range(0, len(sent), len(sent) // 10):
            near.sendall(sent[place : place + len(sent) // 10])
        assert receive(near, len(sent)) == sent
        assert time.perf_counter() - start < 5 * ROUND_TRIP_MS / 1000


def test_proxy_ends_when_its_context_does(echo: int) -> None:
    with delayed(echo, 0) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as near:
        near.sendall(b"x")
        assert receive(near, 1) == b"x"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=10)


def record(lag: Any) -> dict[str, Any]:
    """A drag of three seconds from t = 100 ms: a move every 100 ms, sent at + 1 ms, painted at + ``lag``.

    The answer arrives 5 ms before it is painted; the field is painted 10 ms after each move.
    """
    moves = [150.0 + 100 * k for k in range(30)]
    pointers = [{"at": 100.0, "kind": "pointerdown", "value": None}]
    pointers += [{"at": moment, "kind": "pointermove", "value": k / 10} for k, moment in enumerate(moves)]
    pointers += [{"at": 3100.0, "kind": "pointerup", "value": None}]
    sends = [{"at": moment + 1, "seq": k + 1, "end": False} for k, moment in enumerate(moves)]
    sends += [{"at": 3101.0, "seq": 31, "end": True}]
    answers = [{"at": m + lag(m) - 5, "seq": k + 1, "work": 2.0} for k, m in enumerate([*moves, 3100.0])]
    return {
        "pointers": pointers,
        "sends": sends,
        "answers": answers,
        "paints": {"field": [m + 10 for m in moves], "rate": [m + lag(m) for m in [*moves, 3100.0]]},
        "shown": {"title": [{"at": m + lag(m), "text": f"{k / 10:.3f}"} for k, m in enumerate(moves)]},
        "frames": [100.0 + 20 * k for k in range(151)],
    }


def test_figures_of_a_steady_drag() -> None:
    figures = drag_figures(record(lambda moment: 30.0))
    assert figures.events_per_s == pytest.approx(30 / 3)
    assert figures.page_fps == pytest.approx(151 / 3)  # 151 frames, both ends included, in 3 s
    assert figures.local_fps == pytest.approx(30 / 3)
    assert figures.answers_per_s == pytest.approx(30 / 3)
    assert figures.median_ms == pytest.approx(30)
    assert figures.p95_ms == pytest.approx(30)
    assert figures.work_ms == pytest.approx(2)
    assert figures.settle_ms == pytest.approx(30)
    assert figures.lag_growth_ms == pytest.approx(0, abs=1e-9)


def test_growing_lag_is_seen() -> None:
    """A lag of 30 ms plus 1 % of the time: the medians of two windows 2 s apart differ by 20 ms."""
    assert drag_figures(record(lambda moment: 30 + moment / 100)).lag_growth_ms == pytest.approx(20)


def test_move_which_was_merged_waits_for_the_answer_to_the_next_request() -> None:
    """Without the request of the first move, its value travels with the second one: 100 ms later."""
    merged = record(lambda moment: 30.0)
    del merged["sends"][0], merged["answers"][0], merged["paints"]["rate"][0]
    assert max(response_times(merged)[1]) == pytest.approx(130)


def test_answer_which_never_came_is_not_taken_for_a_fast_one() -> None:
    silent = record(lambda moment: 30.0)
    silent["answers"] = silent["answers"][:5]
    figures = drag_figures(silent)
    assert figures.median_ms == float("inf")
    assert figures.settle_ms == float("inf")


def test_figures_of_a_text_which_follows_the_pointer() -> None:
    figures = drag_figures(record(lambda moment: 250.0), text="title")
    assert figures.median_ms == pytest.approx(250)
    assert figures.local_fps == pytest.approx(28 / 3)  # the last two of 30 are shown after the release
    assert figures.settle_ms == pytest.approx(3050 + 250 - 3100)


def test_times_and_rates() -> None:
    assert first_at_least([1.0, 2.0], 2.0) == 2.0
    assert first_at_least([1.0, 2.0], 2.1) == float("inf")
    assert rate_of([0, 10, 20, 2000], 0, 1000) == pytest.approx(3)
    with pytest.raises(ValueError, match="record must have pointer moves in its first and in its third second"):
        growth([10.0], [1.0], 0.0)


GOOD = DragFigures(60, 60, 58, 25, 40, 70, 3, 100, 2)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("median_ms", 45.1, "median must be at most 45 ms, got 45.1"),
        ("p95_ms", 81.0, "p95 must be at most 80 ms, got 81.0"),
        ("settle_ms", float("inf"), "settled after release must be at most 120 ms, got inf"),
        ("lag_growth_ms", 40.0, "lag growth must be at most 17 ms, got 40.0"),
    ],
)
def test_missed_bar_is_reported(field: str, value: float, expected: str) -> None:
    assert missed_bars(GOOD, GOOD) == []
    (message,) = missed_bars(dataclasses.replace(GOOD, **{field: value}), GOOD)
    assert expected in message


def test_slower_repaint_over_the_slower_line_is_reported() -> None:
    (message,) = missed_bars(GOOD, dataclasses.replace(GOOD, local_fps=30))
    assert "local repaint with 150 ms more must stay within 90% of 58.0 frames/s, got 30.0" in message


def test_requests_in_flight_are_those_that_no_answer_has_reached() -> None:
    sends = [{"at": at, "seq": seq} for seq, at in enumerate((0, 10, 20, 30))]
    answers = [{"at": 15, "seq": 1}, {"at": 25, "seq": 2}]
    assert most_in_flight({"sends": sends, "answers": answers}) == 2
    assert most_in_flight({"sends": sends, "answers": []}) == 4
    assert most_in_flight({"sends": [], "answers": []}) == 0
