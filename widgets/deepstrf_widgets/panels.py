"""Widgets as panels of another one: what they send to a browser travels in the messages of the widget around them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import comm as jupyter_comm
from ipywidgets.widgets.widget import __protocol_version__, _instances, _remove_buffers

from .browser_widget import BrowserWidget
from .bundle import module_key, pack
from .message_parsing import MessageError, brief, is_name

__all__ = ["PanelChannel", "PanelHost"]

METHODS = ("open", "module", "update", "custom")

Message = dict[str, Any]


class PanelChannel:
    """What a widget has as its ``comm``: it sends through its host, so that the browser has one widget only.

    Once the widget is shown in an output of its own as well, it is sent there too.
    """

    def __init__(self, host: PanelHost, name: str) -> None:
        self.comm_id = uuid.uuid4().hex
        self._host, self._name = host, name
        self._handle: Callable[[Message], None] | None = None
        self._client = ""
        self._own: Any = None

    def on_msg(self, callback: Callable[[Message], None]) -> None:
        """Note who is called with what the browser sends."""
        self._handle = callback

    def send(self, data: Message, metadata: Any = None, buffers: Sequence[Any] | None = None) -> None:
        """Send to every view of the panel; an echo tells which view it is of."""
        if "state" in data:
            data = {**data, "state": {name: value for name, value in data["state"].items() if name[:1] != "_"}}
        message = {"type": "panel", "panel": self._name, "of": self._client, "data": data}
        self._host.send(message, buffers=buffers)
        if self._own is not None:
            self._own.send(data=data, metadata=metadata, buffers=buffers)

    def receive(self, client: str, data: Message, buffers: Sequence[Any]) -> None:
        """Take over what a view has sent."""
        self._client = client
        try:
            if self._handle is not None:
                self._handle({"content": {"data": data}, "buffers": list(buffers)})
        finally:
            self._client = ""

    def show_alone(self, widget: BrowserWidget) -> None:
        """Tell the browser of the widget itself, for an output of its own."""
        if self._own is None:
            with widget.hold_trait_notifications():
                widget._esm = widget.module
            state, paths, buffers = _remove_buffers(widget.get_state())
            self._own = jupyter_comm.create_comm(
                target_name="jupyter.widget",
                data={"state": state, "buffer_paths": paths},
                buffers=buffers,
                metadata={"version": __protocol_version__},
                comm_id=self.comm_id,
            )
            _instances[self.comm_id] = widget
            self._own.on_msg(lambda message: self._handle and self._handle(message))

    def close(self, *_args: Any, **_kwargs: Any) -> None:
        """Reach nobody any more."""
        self._handle = None
        own, self._own = self._own, None
        if own is not None:
            own.close()


class PanelHost(BrowserWidget):
    """A widget that shows others inside itself: each is made when the browser first opens it."""

    PANELS: ClassVar[tuple[str, ...]] = ()

    def panel(self, name: str) -> BrowserWidget:
        """The widget of a panel, made with ``comm=PanelChannel(self, name)``."""
        raise NotImplementedError

    def _panel_received(self, content: Message, buffers: Sequence[Any] | None) -> None:
        """Hand a message to the panel that it is for.

        Raises
        ------
        MessageError
            It is for no panel, or asks for nothing that there is.
        """
        name, client, data = content.get("panel"), content.get("client"), content.get("data")
        if name not in self.PANELS:
            raise MessageError(f"panel must be one of {', '.join(self.PANELS)}, got {brief(name)}")
        if not is_name(client):
            raise MessageError(f"client must be a name, got {brief(client)}")
        method = data.get("method") if isinstance(data, dict) else None
        if not isinstance(data, dict) or method not in METHODS:
            raise MessageError(f"method must be one of {', '.join(METHODS)}, got {brief(method)}")
        try:
            panel = self.panel(str(name))
        except ValueError as error:
            reply: Message = {"method": "refused", "text": str(error)}
            self.send({"type": "panel", "panel": name, "to": client, "data": reply})
            return
        if method == "open":
            state, paths, parts = _remove_buffers(panel.get_state())
            state = {key: value for key, value in state.items() if key[:1] != "_"}
            reply = {"method": "opened", "module": module_key(panel.module), "state": state, "buffer_paths": paths}
            self.send({"type": "panel", "panel": name, "to": client, "data": reply}, buffers=parts)
        elif method == "module":
            reply = {"method": "module", "module": module_key(panel.module)}
            self.send({"type": "panel", "panel": name, "to": client, "data": reply}, buffers=[pack(panel.module)])
        else:
            panel.comm.receive(client, data, list(buffers or []))
