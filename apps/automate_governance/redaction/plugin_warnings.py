"""What the system checks of all apps say of plug-ins: errors of other people's code, which may hold secrets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automate_governance.redaction.site_secrets import mask_site_secrets
from automate_plugins import checks
from automate_plugins.registry import Registry


def warnings(registry: Registry[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield `automate_plugins.checks.warnings`, redacted as on the page of plug-ins."""
    for number, message, hint in checks.warnings(registry):
        yield number, mask_site_secrets(message), hint
