"""Findings about a registry's plug-ins, from which each app makes its system checks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from automate_plugins.registry import Plugin, Registry

#: Names of plug-ins: they are written as `name.action` in steps and as `name:key` in references.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")


def warnings(registry: Registry[Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (id, message, hint) for faulty installed plug-ins. Those that a site stores are its own affair.

    W001: one could not be loaded. W002: one replaces a built-in one. W009: its name cannot be written.
    """
    for plugin in registry.installed:
        if plugin.error:
            yield (
                "W001",
                f"The plug-in {plugin.name!r} ({plugin.target}) could not be loaded: {plugin.error}",
                f"{_remedy(plugin)} Everything else works without it.",
            )
        elif not NAME.fullmatch(plugin.name):
            yield (
                "W009",
                f"The plug-in {plugin.name!r} ({plugin.target}) has an invalid name; workflows cannot refer to it.",
                "Use lowercase letters, digits, _ and -, starting with a letter. A connector, and a class in"
                " AUTOMATE_PLUGINS, is named by its `code`, other plug-ins by their entry point.",
            )
        if plugin.replaces:
            yield (
                "W002",
                f"The plug-in {plugin.name!r} ({plugin.target}) replaces the built-in plug-in {plugin.replaces}.",
                f"If this is not intended, rename it or uninstall {plugin.distribution or 'its package'}.",
            )


def _remedy(plugin: Plugin[Any]) -> str:
    if plugin.distribution:
        return f"Fix or uninstall {plugin.distribution}."
    return "Fix the file, or the path in AUTOMATE_PLUGINS."
