"""A button that sends a sound file to the kernel, in parts; the browser refuses one that is too large beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import traitlets

from ..browser_widget import BrowserWidget
from ..bundle import bundle_source
from ..message_parsing import MessageError, brief, is_count
from .catalogue import MAX_FILE_MB, too_large

__all__ = ["SoundFile"]

PART_BYTES = 4_000_000
"""Jupyter's server closes the connection at a message of more than 10 MB."""

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
        self._parts: list[bytes] = []
        title = f"WAV, FLAC, AIFF or Ogg, at most a minute and {MAX_FILE_MB} MB"
        info = {
            "title": title,
            "accept": ",".join(ENDINGS),
            "max_bytes": MAX_FILE_MB * 1_000_000,
            "part_bytes": PART_BYTES,
        }
        super().__init__(info=info, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.info['title']!r})"

    def _received(self, _widget: Any, content: Any, buffers: Sequence[Any] | None) -> None:
        try:
            name, size, at, part = self._parsed(content, list(buffers or []))
            if at == 0:
                self._parts = []
            arrived = sum(map(len, self._parts))
            if at != arrived or at + len(part) > size:
                raise MessageError(
                    f"{name} came as a part at byte {at} of {size} after {arrived} bytes: choose it again"
                )
        except ValueError as error:
            self._parts = []
            self._on_error(error)
            return
        self._parts.append(part)
        if at + len(part) == size:
            parts, self._parts = self._parts, []
            self._on_file(name, b"".join(parts))

    def _parsed(self, content: Any, buffers: list[Any]) -> tuple[str, int, int, bytes]:
        """Name and size of the file, and the place and bytes of the part."""
        if not isinstance(content, dict) or content.get("type") != "file":
            raise MessageError(f"a message must be an object of type file, got {brief(content)}")
        name, size = content.get("name"), content.get("size")
        if not isinstance(name, str):
            raise MessageError(f"name must be that of a file, got {brief(name)}")
        if not is_count(size):
            raise MessageError(f"size must be a number of bytes, got {brief(size)}")
        at = content.get("at", 0)
        if not is_count(at):
            raise MessageError(f"at must be a number of bytes, got {brief(at)}")
        # The browser has then sent the size alone.
        if size > self.info["max_bytes"]:
            raise too_large(name, size)
        if len(buffers) != 1 or not isinstance(buffers[0], (bytes, bytearray, memoryview)):
            raise MessageError(f"a file must come as one buffer, got {brief(buffers)}")
        return name, size, at, bytes(buffers[0])
