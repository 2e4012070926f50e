"""The browser's list of traits, columns and fields is the kernel's."""

import re
from pathlib import Path

import anywidget
import pytest
import torch

from deepstrf.models.layers import ParametricSTRF
from deepstrf.models.registry import BIAS, KERNELS
from deepstrf_widgets import BenchWidget, Player
from deepstrf_widgets.bench.page_state import kernel_names

CONTRACT = Path(__file__).resolve().parents[3] / "widgets" / "src" / "kernel" / "contract.ts"


@pytest.fixture(scope="module")
def contract():
    return CONTRACT.read_text(encoding="utf-8")


def listed(contract, name):
    """The texts of ``export const NAME = [...]``."""
    body = re.search(rf"export const {name} = \[(.*?)\] as const;", contract, re.DOTALL).group(1)
    return re.findall(r'"(\w+)"', body)


def fields(contract, name):
    """The fields of ``export interface NAME``: name to its type, an optional one with a question mark."""
    body = re.search(rf"export interface {name} {{(.*?)\n}}", contract, re.DOTALL).group(1)
    body = re.sub(r"/\*\*.*?\*/", "", body, flags=re.DOTALL)
    return dict(re.findall(r"^\s*(\w+\??): (.*);$", body, re.MULTILINE))


def test_traits_are_the_same(contract):
    own = set(BenchWidget.class_trait_names(sync=True)) - set(anywidget.AnyWidget.class_trait_names(sync=True))
    assert set(listed(contract, "TRAITS")) == {name for name in own if not name.startswith("_")}
    assert len(listed(contract, "TRAITS")) == len(set(listed(contract, "TRAITS")))


def test_typescript_writes_traits_only(contract):
    assert set(listed(contract, "WRITTEN")) <= set(listed(contract, "TRAITS"))


def test_the_columns_of_a_gaussian_are_those_of_the_registry(contract, session):
    assert "COLUMNS: Column[] = KERNELS.gaussians.columns.map(({ name }) => name)" in contract
    columns = [column.name for column in KERNELS[ParametricSTRF].columns if column is not BIAS]
    names = kernel_names(session.parameters.values(), "gaussians")
    assert [f"strf.{column}" for column in columns] == [session.parameters[name].grid.name for name in names]


def test_info_has_the_fields_that_typescript_reads(contract, session):
    widget = BenchWidget(session)
    assert set(fields(contract, "Info")) == set(widget.info)
    assert set(fields(contract, "PrefilterSlot")) == set(widget.info["prefilter"])
    assert set(fields(contract, "ActivationSlot")) == set(widget.info["activation"])
    widget.close()


def test_answers_and_errors_have_the_fields_that_typescript_reads(contract, session, monkeypatch):
    widget, sent = BenchWidget(session), []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append(content))
    for kind in ("undo", "drag"):
        widget._received(widget, {"type": kind, "client": "page", "seq": 1}, [])
    for name, content in zip(("Answer", "Failure"), sent, strict=True):
        wanted = fields(contract, name)
        assert {field for field in wanted if not field.endswith("?")} <= set(content)
        assert set(content) <= {field.rstrip("?") for field in wanted}
        assert wanted["type"] == f'"{content["type"]}"'
    widget.close()


def test_motions_have_the_fields_that_typescript_reads(contract, make_session, monkeypatch):
    widget, sent = BenchWidget(make_session(dtype=torch.float32)), []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append(content))
    player = Player(widget.session)
    player.step(2)
    player.close()
    found = [content for content in sent if content["type"] == "motion"]
    assert set(found[0]) == {field.rstrip("?") for field in fields(contract, "Motion")}
    assert set(found[0]["scores"]) == set(fields(contract, "Scores"))
    assert sent[-1]["type"] == "answer"
    assert set(sent[-1]["parts"]) >= {"kernel", "rate", "affine"}
    assert set(found[0]["parts"]) == {"gaussians", "affine", "prefilter", "activation"}
    widget.close()


def test_explanations_have_the_fields_that_typescript_reads(contract, session, monkeypatch):
    widget, sent = BenchWidget(session), []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append(content))
    for frame in (3, 10_000):
        widget._received(widget, {"type": "explain", "client": "page", "seq": 1, "frame": frame}, [])
    wanted = fields(contract, "ExplanationMessage")
    found, refused = sent
    assert set(found) == {field.rstrip("?") for field in wanted}
    assert set(refused) == {field for field in wanted if not field.endswith("?")}
    assert set(fields(contract, "ExplainRequest")) == {"type", "client", "seq", "frame", "trained"}
    widget.close()


def test_answers_have_the_parts_that_changed(contract, session, make_session, monkeypatch):
    product, sent = BenchWidget(make_session("separable")), []
    monkeypatch.setattr(product, "send", lambda content, buffers=None: sent.append(content["parts"]))
    product.session.set("strf.factor_f", 0.5, (0, 0, 0))
    assert sent.pop() == ["gaussians", "kernel", "affine", "factors", "rate"]
    product.close()
    widget = BenchWidget(session)
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append(content["parts"]))
    session.set("strf.weight", 0.5, (0, 0, 0))
    session.set("prefilter.w", 0.5, (0,))
    session.set("activation.beta", 2.0, (0,))
    assert sent == [["gaussians", "kernel", "affine", "rate"], ["prefilter", "rate"], ["activation", "rate"]]
    assert set(listed(contract, "PARTS")) == {"factors", *(part for parts in sent for part in parts)}
    widget.close()


def test_the_kinds_of_kernel_are_the_same(contract, make_session):
    named = re.search(r"export type Kind = keyof typeof KERNELS \| (.*);", contract).group(1)
    kinds = [*(entry.kind for entry in KERNELS.values()), *re.findall(r'"(\w+)"', named)]
    made = []
    for kernel in ("gaussians", "full", "separable"):
        widget = BenchWidget(make_session(kernel))
        made.append(widget.info["kind"])
        widget.close()
    assert set(kinds) == {*made, "gradient", "none"}
