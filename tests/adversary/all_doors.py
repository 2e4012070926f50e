"""Every door of the library and the widgets."""

from __future__ import annotations

from tests.adversary import models, recordings
from tests.adversary.doors import Door

DOORS: dict[str, Door] = {**recordings.DOORS, **models.DOORS}
