"""Compiles the catalogues when a wheel or an editable installation is built."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogueHook(BuildHookInterface):
    """A wheel holds the compiled catalogue of each language."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the .mo files, which are not under version control."""
        runpy.run_path(str(Path(self.root) / "scripts" / "messages.py"), run_name="messages")["compile_catalogues"]()
