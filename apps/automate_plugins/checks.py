"""One warning row for each plug-in that could not be loaded."""

from __future__ import annotations

from typing import Any

from automate_plugins.registry import Registry


def load_errors(registry: Registry[Any]) -> list[tuple[str, str]]:
    """(message, hint) for each broken plug-in of `registry`."""
    return [
        (
            f"The plug-in {plugin.name!r} ({plugin.target}) could not be loaded: {plugin.error}",
            f"Fix or uninstall {plugin.distribution or 'its package'}; everything else works without it.",
        )
        for plugin in registry.plugins
        if plugin.error
    ]
