"""The folder of a project's own connectors, and the check of the setting that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from automate_plugins.documentation import doc

FILE = "connector.yaml"


def own_folder() -> Path | None:
    """Return the folder in AUTOMATE_CONNECTORS_DIR; None where the setting names none."""
    folder = getattr(settings, "AUTOMATE_CONNECTORS_DIR", None)
    return Path(folder) if isinstance(folder, str | Path) and folder else None


def check_folder(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E015: the folder of a project's own connectors does not exist."""
    given = getattr(settings, "AUTOMATE_CONNECTORS_DIR", None)
    folder = own_folder()
    if not given or (folder is not None and folder.is_dir()):
        return []
    return [
        Error(
            f"AUTOMATE_CONNECTORS_DIR must name a folder (got {str(given)!r}).",
            hint=f"It holds a folder for each connector, with a {FILE}. See {doc('declared-connectors')}.",
            id="automate_connectors.E015",
        )
    ]
