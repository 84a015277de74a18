"""Modules that moved in 0.3: plug-ins and settings of projects may name them as before, with a warning, until 0.4."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

#: Old and new name of a module or a package; a part of a package that went elsewhere stands before it.
MOVED = {
    "automate_core.authoring": "automate_authoring",
    "automate_core.definition.validation": "automate_authoring.definitions.validation",
    "automate_core.definition.yaml_files": "automate_authoring.definitions.yaml_files",
    "automate_core.executors.threads": "automate_core.engine.threads_executor",
    "automate_core.executors": "automate_pools",
    "automate_core.operations.health": "automate_core.worker.health",
    "automate_core.operations.telemetry.metrics": "automate_telemetry.metrics",
    "automate_core.operations.telemetry": "automate_telemetry.traces",
    "automate_core.operations": "automate_operations",
    "automate_core.queries": "automate_operations.queries",
}


class _Finder(MetaPathFinder, Loader):
    """Finds a module by its old name. It has to be asked first: the module's own folder would yield a second copy."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if _new_name(fullname) else None

    def exec_module(self, module: ModuleType) -> None:
        new = _new_name(module.__name__)
        warnings.warn(f"{module.__name__} is now {new}.", DeprecationWarning, stacklevel=2)
        sys.modules[module.__name__] = importlib.import_module(new)


def _new_name(name: str) -> str:
    for old, new in MOVED.items():
        if name == old or name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    return ""


def install() -> None:
    """Let old names be imported."""
    sys.meta_path.insert(0, _Finder())
