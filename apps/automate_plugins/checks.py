"""What system checks say of a registry's plug-ins. Each app makes its warnings of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automate_plugins.registry import Registry


def warnings(registry: Registry[Any]) -> Iterator[tuple[str, str, str]]:
    """(id, message, hint): W001 for a plug-in that could not be loaded, W002 for one that replaces a built-in."""
    for plugin in registry.plugins:
        if plugin.error:
            yield (
                "W001",
                f"The plug-in {plugin.name!r} ({plugin.target}) could not be loaded: {plugin.error}",
                f"Fix or uninstall {plugin.distribution or 'its package'}; everything else works without it.",
            )
        if plugin.replaces:
            yield (
                "W002",
                f"The plug-in {plugin.name!r} ({plugin.target}) replaces the built-in one, {plugin.replaces}.",
                f"If that is not intended, rename it or uninstall {plugin.distribution or 'its package'}.",
            )
