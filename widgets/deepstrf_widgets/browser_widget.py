"""What all anywidgets here have in common: their code in the browser, and which traits it may set."""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import anywidget
import traitlets
from ipywidgets.widgets.widget import _instances

from deepstrf.deprecation import did_you_mean
from deepstrf.locking import locked_by

from .bundle import bundle_source, pack
from .lifetime import Owner
from .message_parsing import MessageError, check_protocol
from .session.argument_validation import neuron_index
from .shared_code import shared_code

__all__ = ["BrowserWidget", "NeuronNumber", "TraitValueError"]


class TraitValueError(traitlets.TraitError, ValueError):
    """A trait was given a wrong value: an error of the trait, which takes it back, and of the value."""


class NeuronError(TraitValueError, IndexError, TypeError):
    """A trait was given no neuron of the session: what `neuron_index` raises, and an error of the trait."""


class NeuronNumber(traitlets.Int):
    """Number of a neuron of the widget's ``session``; it may be set by name."""

    def validate(self, obj: Any, value: Any) -> int:
        """The number; NeuronError where there is no such neuron."""
        try:
            return neuron_index(obj.session.neuron_names, value, str(self.name))
        except (IndexError, TypeError, ValueError) as error:
            raise NeuronError(str(error)) from None


def _reference(code: anywidget.AnyWidget | None, _widget: Any) -> str | None:
    """The code for the browser, as ipywidgets refers to a widget, whose own way raises once that is closed."""
    return None if code is None or code.comm is None else f"IPY_MODEL_{code.model_id}"


class BrowserWidget(Owner, anywidget.AnyWidget):
    """A widget drawn by our code in the browser, which may set only the traits in ``BROWSER_SETS``, to valid values.

    Everything else that the browser tries to set is refused: ``error`` says why, and the browser gets the kernel's
    values back. Messages of the browser arrive in ``_received``.

    Raises
    ------
    TypeError
        A keyword is neither an argument of the class nor one of its traits; the message names the nearest.
    """

    BROWSER_SETS: ClassVar[tuple[str, ...]] = ()
    BROWSER_SETS_BYTES: ClassVar[tuple[str, ...]] = ()
    """Those of ``BROWSER_SETS`` that are binary."""
    _holding: ClassVar[Any] = threading.RLock()
    _esm: Any
    comm: Any
    _states_to_send: Any
    _holding_sync: Any
    _css = bundle_source("bench.css")
    module = ""

    _code = traitlets.Instance(anywidget.AnyWidget, allow_none=True).tag(sync=True, to_json=_reference)
    _code_key = traitlets.Unicode().tag(sync=True)
    view = traitlets.Unicode().tag(sync=True)
    info = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)

    def __init__(self, **kwargs: Any) -> None:
        for name in kwargs:
            if not self.has_trait(name):
                known = [*inspect.signature(type(self).__init__).parameters, *self.trait_names()]
                raise TypeError(f"{type(self).__name__}() has no argument {name!r}{did_you_mean(name, known)}")
        self._refusal = ""
        channel: Any = kwargs.get("comm")
        if channel is not None:
            # The code of a panel is sent by the widget around it.
            self.module = str(self._esm)
            kwargs["_esm"] = ""
        elif (code := self.send_code()) is not None:
            kwargs |= {"_esm": code._esm, "_css": "", "_code": code, "_code_key": code.key}
        super().__init__(**kwargs)
        own: Any = self.comm
        if channel is not None:
            if own is not channel:
                # marimo gives every new widget a comm of its own.
                own.close()
                self.comm = channel
            # Who asks for all widgets, as JupyterLab does when it is loaded again, cannot show a panel by itself.
            for comm in (own, channel):
                _instances.pop(comm.comm_id, None)
        self.on_msg(self._on_message)

    @classmethod
    def send_code(cls) -> anywidget.AnyWidget | None:
        """Send the code of this class, if it was not sent: the widget with it, or None where each brings its own."""
        return shared_code(cls._esm, cls._css)

    def _handle_msg(self, msg: dict[str, Any]) -> None:
        try:
            check_protocol(msg["content"]["data"], self.BROWSER_SETS_BYTES)
        except MessageError as error:
            self.error = str(error)
        else:
            super()._handle_msg(msg)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take over what the browser sets, all of it or none."""
        try:
            forbidden = ", ".join(sorted(set(sync_data) - set(self.BROWSER_SETS)))
            if forbidden:
                allowed = ", ".join(self.BROWSER_SETS) or "no trait"
                raise TraitValueError(f"the browser may set {allowed}, got {forbidden[:80]}")
            super().set_state(sync_data)
        except traitlets.TraitError as error:
            self.error = self._refusal = str(error)
            self.send_state([name for name in sync_data if name in self.keys])
        else:
            if self.error == self._refusal:
                self.error = ""

    # Those of ipywidgets are for one thread: what another one sets meanwhile raised, or was never sent.

    @contextlib.contextmanager
    def hold_sync(self) -> Iterator[None]:
        """Send what is set inside at its end, in one message."""
        if self._holding_sync:
            yield
            return
        try:
            self._holding_sync = True
            yield
        finally:
            if states := self._held_states():
                self.send_state(states)

    @locked_by("_holding")
    def _held_states(self) -> set[str]:
        self._holding_sync = False
        held, self._states_to_send = self._states_to_send, set()
        return set(held)

    @locked_by("_holding")
    def _should_send_property(self, key: str, value: Any) -> bool:
        return bool(super()._should_send_property(key, value))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        # The browser does not know a panel of another widget until it has been sent.
        show_alone = getattr(self.comm, "show_alone", None)
        if show_alone is not None:
            show_alone(self)
        return super()._repr_mimebundle_(**kwargs)

    def _on_message(self, _widget: Any, content: Any, buffers: Any) -> None:
        if self._code is not None and isinstance(content, dict) and content.get("type") == "code":
            # The host did not find that widget.
            self.send({"type": "code", "css": self._code._css}, buffers=[pack(self._code.source)])
        else:
            self._received(_widget, content, buffers)

    def _received(self, _widget: Any, content: Any, buffers: Any) -> None:
        raise NotImplementedError
