"""Every door of the library and the widgets."""

from __future__ import annotations

from tests.adversary import laboratory_files, models, page_messages, panel_messages, recordings
from tests.adversary.doors import Door

DOORS: dict[str, Door] = {
    **recordings.DOORS,
    **laboratory_files.DOORS,
    **models.DOORS,
    **page_messages.DOORS,
    **panel_messages.DOORS,
}
