"""The gallery: an anywidget of all receptive fields as small pictures, to sort, filter and choose from."""

from .widget import Gallery, gallery

__all__ = ["Gallery", "gallery"]
