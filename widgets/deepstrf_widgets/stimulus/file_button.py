"""A button that sends a sound file to the kernel; the browser refuses one that is too large before it sends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import traitlets

from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..message_parsing import MessageError, brief, is_count
from .catalogue import MAX_FILE_MB, too_large

__all__ = ["SoundFile"]

ENDINGS = (".wav", ".flac", ".aif", ".aiff", ".ogg")


class SoundFile(BrowserWidget):
    """A button to choose a sound file, which the widget does not keep.

    Parameters
    ----------
    on_file : callable
        Called with the name of the file and its bytes.
    on_error : callable
        Called with the error where the file is too large or the message is malformed.
    """

    _esm = bundle_source("sounds.js")

    view = traitlets.Unicode("file").tag(sync=True)

    def __init__(
        self, on_file: Callable[[str, bytes], None], on_error: Callable[[ValueError], None], **kwargs: Any
    ) -> None:
        self._on_file, self._on_error = on_file, on_error
        title = f"WAV, FLAC, AIFF or Ogg, at most a minute and {MAX_FILE_MB} MB"
        info = {"title": title, "accept": ",".join(ENDINGS), "max_bytes": MAX_FILE_MB * 1_000_000}
        super().__init__(info=info, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.info['title']!r})"

    def _received(self, _widget: Any, content: Any, buffers: Sequence[Any] | None) -> None:
        try:
            name, file = self._parsed(content, list(buffers or []))
        except ValueError as error:
            self._on_error(error)
        else:
            self._on_file(name, file)

    def _parsed(self, content: Any, buffers: list[Any]) -> tuple[str, bytes]:
        if not isinstance(content, dict) or content.get("type") != "file":
            raise MessageError(f"a message must be an object of type file, got {brief(content)}")
        name, size = content.get("name"), content.get("size")
        if not isinstance(name, str):
            raise MessageError(f"name must be that of a file, got {brief(name)}")
        if not is_count(size):
            raise MessageError(f"size must be a number of bytes, got {brief(size)}")
        # The browser has then sent the size alone.
        if size > self.info["max_bytes"]:
            raise too_large(name, size)
        if len(buffers) != 1 or not isinstance(buffers[0], (bytes, bytearray, memoryview)):
            raise MessageError(f"a file must come as one buffer, got {brief(buffers)}")
        return name, bytes(buffers[0])
