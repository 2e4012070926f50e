"""Messages from the browser: what a good one becomes, the error for each bad one, and a thousand broken ones."""

import json
import random

import numpy as np
import pytest

from deepstrf_widgets import BenchWidget, Edit
from deepstrf_widgets.message_parsing import MAX_EDITS, MessageError, check_protocol, is_finite, parse

GOOD = {
    "type": "edit",
    "client": "page",
    "seq": 3,
    "gesture": "page-1",
    "phase": "move",
    "edits": [{"name": "strf.weight", "index": [1, 0, 1]}],
}


def floats(*values):
    return np.array(values, dtype="<f4").tobytes()


def deep(levels):
    nested = []
    for _ in range(levels):
        nested = [nested]
    return nested


def test_an_edit_becomes_a_request():
    edits = [
        {"name": "strf.weight", "index": [1, 0, 1]},
        {"name": "strf.band", "index": [1, 0], "count": 2},
        {"name": "strf.bias", "index": [1], "count": 1},
    ]
    content = {**GOOD, "phase": "end", "edits": edits}
    request = parse(content, [memoryview(floats(0.5, 600, 700, -1))])
    assert (request.kind, request.client, request.seq, request.gesture) == ("edit", "page", 3, "page-1")
    assert request.settled
    weight, centre, bias = request.edits
    assert weight == Edit("strf.weight", 0.5, (1, 0, 1))
    assert (centre.name, centre.value.tolist(), centre.index) == ("strf.band", [600, 700], (1, 0))
    assert bias == Edit("strf.bias", -1.0, (1,))


@pytest.mark.parametrize("buffers", [None, [], [b""]])
def test_the_end_of_a_gesture_may_carry_nothing(buffers):
    request = parse({**GOOD, "phase": "end", "edits": []}, buffers)
    assert request.settled
    assert request.edits == ()


def test_a_move_is_not_settled():
    assert not parse(GOOD, [floats(1)]).settled


@pytest.mark.parametrize("kind", ["undo", "redo"])
def test_undo_and_redo_need_a_number_only(kind):
    request = parse({"type": kind, "client": "page", "seq": 0}, [])
    assert (request.kind, request.seq, request.settled) == (kind, 0, True)


def test_revert_of_all_or_of_some():
    everything = parse({"type": "revert", "client": "page", "seq": 1, "names": None, "index": None}, [])
    assert (everything.names, everything.index) == (None, ())
    some = parse({"type": "revert", "client": "page", "seq": 1, "names": ["strf.weight"], "index": [2]}, [])
    assert (some.names, some.index) == (("strf.weight",), (2,))


NOTHING = object()


def changed(**fields):
    return {key: value for key, value in {**GOOD, **fields}.items() if value is not NOTHING}


def edit(**fields):
    first = {**GOOD["edits"][0], **fields}
    return changed(edits=[{key: value for key, value in first.items() if value is not NOTHING}])


@pytest.mark.parametrize(
    ("content", "buffers", "message"),
    [
        (None, [], "a message must be an object, got None"),
        ([GOOD], [], "a message must be an object"),
        (
            changed(type=NOTHING),
            [],
            "type must be one of edit, undo, redo, revert, restore, explain, play, pause, pin, painted, got None",
        ),
        (changed(type="drag"), [], "type must be .* got 'drag'"),
        (changed(type=["edit"]), [], r"type must be .* got \['edit'\]"),
        (changed(client=NOTHING), [], "client must be a text of 1 to 200 letters, got None"),
        (changed(client=""), [], "client must be a text of 1 to 200 letters, got ''"),
        (changed(client="x" * 201), [], "client must be .* got 'xxx"),
        (changed(client="\ud800"), [], r"client must be .* got '\\ud800'"),
        (changed(seq=NOTHING), [], "seq must be a whole number, 0 or more, got -1"),
        (changed(seq=1.5), [], "seq must be a whole number, 0 or more, got 1.5"),
        (changed(seq=True), [], "seq must be a whole number, 0 or more, got True"),
        (changed(seq=2**53), [], "seq must be a whole number, 0 or more, got 9007199254740992"),
        (changed(gesture=7), [], "gesture must be a text of 1 to 200 letters, got 7"),
        (changed(phase="start"), [], "phase must be move or end, got 'start'"),
        (changed(edits=NOTHING), [], "edits must be a list of at most 4096, got None"),
        (changed(edits=[{}] * (MAX_EDITS + 1)), [], "edits must be a list of at most 4096, got "),
        (changed(edits=[5]), [], "an edit must be an object with a name, got 5"),
        (edit(name=NOTHING), [], "an edit must be an object with a name, got {'index'"),
        (edit(count=0), [], "count of 'strf.weight' must be 1 or more, got 0"),
        (edit(count=1.0), [], "count of 'strf.weight' must be 1 or more, got 1.0"),
        (edit(index=NOTHING), [floats(1)], "index must be a list of up to 4 whole numbers, 0 or more, got None"),
        (edit(index=[0, -1]), [floats(1)], r"index must be .* got \[0, -1\]"),
        (edit(index=[0] * 5), [floats(1)], r"index must be .* got \[0, 0, 0, 0, 0\]"),
        (edit(index=deep(400)), [floats(1)], r"index must be .* got \[\[\["),
        (GOOD, [], "values must be as many as the edits count, 1, got 0"),
        (GOOD, [floats(1, 2)], "values must be as many as the edits count, 1, got 2"),
        (edit(count=2**52), [floats(1)], "values must be as many as the edits count, 4503599627370496, got 1"),
        (GOOD, [b"abc"], "values must come as one float32 buffer, got 1 with 3 bytes"),
        (GOOD, [floats(1), floats(2)], "values must come as one float32 buffer, got 2 with 0 bytes"),
        (GOOD, ["abcd"], r"values must come as one float32 buffer, got \['abcd'\]"),
        (GOOD, [10**12], "values must come as one float32 buffer"),
        ({"type": "revert", "client": "p", "seq": 1, "names": "strf.weight"}, [], "names must be a list of parameter"),
        ({"type": "revert", "client": "p", "seq": 1, "names": [1]}, [], r"names must be a list .* got \[1\]"),
        ({"type": "revert", "client": "p", "seq": 1, "index": 4}, [], "index must be a list .* got 4"),
    ],
)
def test_a_wrong_field_is_named(content, buffers, message):
    with pytest.raises(MessageError, match=message):
        parse(content, buffers)


# -- broken messages ----------------------------------------------------------------------------------------------


def junk(rng, depth=0):
    """Any value that JSON could bring, and some that it could not."""
    leaves = [
        None,
        True,
        False,
        -1,
        2**53,
        10**30,
        0.5,
        float("nan"),
        float("inf"),
        "",
        "x" * 300,
        "\ud800",
        "\x00",
        {},
    ]
    if depth > 2 or rng.random() < 0.7:
        return rng.choice(leaves)
    if rng.random() < 0.1:
        return deep(400)
    if rng.random() < 0.5:
        return [junk(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(key): junk(rng, depth + 1) for key in range(rng.randrange(4))}


def bad(rng, allowed):
    """Junk that is none of the values which the field may have."""
    while True:
        value = junk(rng)
        if not allowed(value):
            return value


def broken(rng, seq):
    """A message that is wrong in one place at least, and its buffers."""
    content = {**GOOD, "client": rng.choice("ab"), "seq": seq, "edits": [dict(GOOD["edits"][0])]}
    first, buffers = content["edits"][0], [floats(rng.uniform(-1, 1))]
    whole = {"type": "revert", "client": "a", "seq": seq, "names": None, "index": None}
    kind = rng.randrange(16)
    if kind == 0:
        return bad(rng, lambda _: False), buffers
    if kind == 1:
        content["type"] = bad(rng, lambda _: False)
    elif kind == 2:
        content["client"] = bad(rng, lambda _: False)
    elif kind == 3:
        content["seq"] = bad(rng, lambda _: False)
    elif kind == 4:
        content[rng.choice(["gesture", "phase"])] = bad(rng, lambda _: False)
    elif kind == 5:
        content["edits"] = bad(rng, lambda _: False)
    elif kind == 6:
        content["edits"].append(bad(rng, lambda _: False))
    elif kind == 7:
        first["name"] = rng.choice([bad(rng, lambda _: False), "strf.colour", "__class__", "strf.kernel"])
    elif kind == 8:
        first["index"] = bad(rng, lambda value: value == [])
    elif kind == 9:
        first["index"] = [rng.choice([0, 3, 99, 2**40]), rng.choice([2, 2**52]), rng.choice([0, 7])]
    elif kind == 10:
        first["count"] = bad(rng, lambda value: value is True)
    elif kind == 11:
        first["count"] = rng.choice([2, 3, 1000, 2**50])
    elif kind == 12:
        buffers = rng.choice([None, [], [b""], [b"123"], [floats(1, 2)], buffers * 2, [None], ["1234"], [4], [2**40]])
    elif kind == 13:
        buffers = [floats(rng.choice([np.nan, np.inf, -np.inf]))]
    elif kind == 14:
        first["name"] = rng.choice(["strf.band", "strf.frame", "strf.sigma_bands", "strf.sigma_frames"])
        buffers = [floats(rng.choice([-1.0, 1e9, -3e38, 3e38]))]
    else:
        broken_field = rng.choice(["names", "index"])
        good = (lambda value: value is None or value == []) if broken_field == "index" else lambda v: v in (None, [])
        whole[broken_field] = rng.choice([bad(rng, good), {"names": ["strf.x"], "index": [9]}[broken_field]])
        return whole, []
    return content, buffers


def sent_by(widget, monkeypatch):
    """What the widget sends from now on; each message must be one that Jupyter can put on its line."""
    messages = []

    def send(content, buffers=None):
        json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
        messages.append((content, buffers or []))

    monkeypatch.setattr(widget, "send", send)
    return messages


def test_a_thousand_broken_messages_change_nothing(session, state, same, monkeypatch, assert_fresh):
    session.set("strf.bias", 0.5)
    widget = BenchWidget(session)
    messages = sent_by(widget, monkeypatch)
    begin, rng = state(session.model), random.Random(0)
    for seq in range(1000):
        content, buffers = broken(rng, seq)
        widget._received(widget, content, buffers)
        assert len(messages) == seq + 1, content
        answer = messages[-1][0]
        assert answer["type"] == "error", (content, buffers)
        assert 0 < len(answer["text"]) < 1000
        assert widget.error == answer["text"]
        if seq % 50 == 0:
            assert same(state(session.model), begin), content
    assert same(state(session.model), begin)
    assert_fresh(session, range(3))
    session.undo()
    assert not session.can_undo
    widget.close()


def shaken(rng, value):
    """The same structure with one part of it replaced or left out: often wrong, sometimes right."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        return {k: shaken(rng, v) if k == key else v for k, v in value.items() if k != key or rng.random() < 0.9}
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        return [shaken(rng, v) if k == at else v for k, v in enumerate(value)]
    return rng.choice([junk(rng), 0, 1, 2, [], [0], "a", "end", "undo", "strf.bias", "activation.beta", "prefilter.w"])


def test_any_request_is_answered_and_can_be_undone(session, state, same, monkeypatch, assert_fresh):
    widget = BenchWidget(session)
    messages = sent_by(widget, monkeypatch)
    begin, rng, kinds = state(session.model), random.Random(1), set()
    for seq in range(400):
        kind = rng.choice(["edit", "edit", "undo", "redo", "revert"])
        content = {
            **GOOD,
            "type": kind,
            "seq": seq,
            "gesture": rng.choice("gh"),
            "names": ["strf.weight"],
            "index": [1],
        }
        before = len(messages)
        widget._received(widget, shaken(rng, content), [floats(rng.uniform(-1, 1))])
        assert len(messages) == before + 1
        kinds.add(messages[-1][0]["type"])
    assert kinds == {"answer", "error"}
    assert_fresh(session, range(3))
    session.revert()
    assert same(state(session.model), begin)
    widget.close()


def test_what_a_moment_is_asked_with_is_checked():
    request = parse({"type": "explain", "client": "page", "seq": 4, "frame": 12, "trained": True}, [])
    assert (request.kind, request.frame, request.trained) == ("explain", 12, True)
    for wrong in ({"frame": -1}, {"frame": 1.5}, {"frame": True}, {"frame": None}, {"frame": 0, "trained": 1}):
        with pytest.raises(MessageError, match=r"frame must be|trained must be"):
            parse({"type": "explain", "client": "page", "seq": 4, **wrong}, [])


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (None, "method must be one of update, request_state, custom, got None"),
        ({"method": {}}, r"method must be one of update, request_state, custom, got \{\}"),
        ({"method": "close"}, "got 'close'"),
        ({"method": "update", "state": [0]}, r"state must be an object, got \[0\]"),
        ({"method": "update", "state": {"neuron": 1}, "buffer_paths": [["x", 0]]}, "buffer_paths must be empty"),
        ({"method": "update", "state": {"neuron": 1}, "buffer_paths": None}, "buffer_paths must be empty"),
        ({"method": "update", "state": {}, "buffer_paths": [["drawn"]]}, "buffer_paths must be empty"),
        ({"method": "update", "state": {"neuron": float("nan")}}, "state must hold JSON with finite numbers"),
        ({"method": "update", "state": {"lanes": deep(100_000)}}, "state must hold JSON"),
    ],
)
def test_what_no_browser_sends_by_the_protocol_is_refused(session, data, rule, caplog):
    with pytest.raises(MessageError, match=rule):
        check_protocol(data)
    widget = BenchWidget(session)
    widget._handle_msg({"content": {"data": data}, "buffers": [b"abcd"]})
    assert rule.split(",")[0].replace("\\", "") in widget.error
    assert not caplog.records
    assert widget.neuron == 0


@pytest.mark.parametrize("value", [10**400, -(10**400), float("inf"), float("nan"), True, "1", None, [1]])
def test_what_no_float_holds_is_no_finite_number(value):
    assert not is_finite(value)


@pytest.mark.parametrize("value", [0, -1, 2**70, 1e308, np.float32(0.5), np.int64(3)])
def test_finite_numbers_of_python_and_numpy(value):
    assert is_finite(value)
