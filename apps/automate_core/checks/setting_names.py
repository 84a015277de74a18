"""The check of names: a setting of ours that is misspelt has no effect, and nothing else would report it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from django.conf import global_settings, settings
from django.core.checks import CheckMessage, Warning

from automate_core.checks.setting_values import RULES
from automate_plugins.documentation import doc

_PREFIX = "AUTOMATE_"
_ALIKE = 0.9  # of names without the prefix: a typo in the prefix itself

#: Settings with our prefix that belong to the project.
others: set[str] = set()


def check_names(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W010: a setting with our prefix, or nearly so, that is none of ours."""
    found: list[CheckMessage] = []
    for name, alike in _unknown():
        hint = f"Did you mean {alike}?" if alike else f"{doc('settings')} lists all settings."
        found.append(Warning(f"{name} is not a setting of Automate.", hint=hint, id="automate_core.W010"))
    return found


def _unknown() -> Iterator[tuple[str, str]]:
    """(name, the setting of ours that it resembles)."""
    for name in dir(settings):
        if not name.isupper() or name in RULES or name in others or hasattr(global_settings, name):
            continue
        is_ours = name.startswith(_PREFIX)
        alike = difflib.get_close_matches(name, RULES, n=1, cutoff=0.6 if is_ours else _ALIKE)
        if is_ours or alike:
            yield name, alike[0] if alike else ""
