"""A new plug-in's package from templates: code, fixtures and passing tests."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shutil
import string
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from automate_plugins.registry import BUILT_IN

TEMPLATES = Path(__file__).parent / "scaffold"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TEST_MODULES = frozenset({"conftest", "pytest", "src", "tests"})


@dataclass(frozen=True)
class Kind:
    """A kind of plug-in: the entry points' group, the module in the package, and the ending of its class name."""

    group: str
    module: str
    ending: str


KINDS = {
    "connector": Kind("django_automate.connectors", "connector", "Connector"),
    "secrets": Kind("django_automate.secrets.backends", "secrets", "SecretsBackend"),
    "llm": Kind("django_automate.llm.providers", "llm", "Provider"),
    "signature_scheme": Kind("django_automate.signature_schemes", "scheme", "Scheme"),
    "notification_channel": Kind("django_automate.notification_channels", "channel", "Channel"),
    "trigger": Kind("django_automate.triggers", "trigger", "Trigger"),
    "executor": Kind("django_automate.executors", "executor", "Executor"),
    "expression_filter": Kind("django_automate.expression_filters", "filter", "Filter"),
}


#: What a connector may have besides actions: by its name, the module and the class that the connector inherits.
PARTS = {"poll": ("polls", "Polls"), "webhook": ("webhooks", "Webhooks")}


class ScaffoldError(ValueError):
    """A package that cannot be created; the message says what to change."""


def write_plugin(name: str, kind: str, folder: Path, *, parts: Collection[str] = ()) -> list[Path]:
    """Create the package `name` in `folder`, which must be new or empty. Returns its files.

    `parts` are the PARTS of a connector. Raises ScaffoldError, and OSError. An unfinished package is removed again.
    """
    if parts and kind != "connector":
        raise ScaffoldError("--with adds triggers to a connector. Use it without --kind.")
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise ScaffoldError(
            f"{name!r} is not a package name. Use lower-case letters, digits and _, for example my_erp."
        )
    if taken := _name_conflict(name, KINDS[kind].group):
        raise ScaffoldError(f"{name!r} is the name of {taken}. Choose another name, for example my_{name}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ScaffoldError(f"{folder} already exists and is not an empty folder.")
    is_new = not folder.exists()
    try:
        return list(_write_files(name, KINDS[kind], kind, folder, [part for part in PARTS if part in parts]))
    except OSError:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _name_conflict(name: str, group: str) -> str:
    """Return what has the name already; "" when it is free. A package of that name would shadow it."""
    if name in sys.stdlib_module_names or name in _TEST_MODULES:
        return "a module of Python or of its tests"
    if any(entry.name == name and entry.dist and entry.dist.name == BUILT_IN for entry in entry_points(group=group)):
        return "a built-in plug-in, which it would replace"
    found = importlib.util.find_spec(name)
    return "an installed package" if found is not None and found.origin is not None else ""


def _write_files(name: str, kind: Kind, templates: str, folder: Path, parts: list[str]) -> Iterator[Path]:
    words = [word for word in name.split("_") if word]
    values = {
        "name": name,
        "upper": name.upper(),
        "distribution": "-".join(words),
        "title": " ".join(word.capitalize() for word in words),
        "class_name": "".join(word.capitalize() for word in words) + kind.ending,
        "group": kind.group,
        "module": kind.module,
        "imports": "".join(f"from {name}.{PARTS[part][0]} import {PARTS[part][1]}\n" for part in parts),
        "bases": ", ".join([*(PARTS[part][1] for part in parts), "ConnectorAdapter"]),
    }
    shared = ["connector_parts"] if parts else []
    for source in ("common", templates, *shared, *(f"connector_{part}" for part in parts)):
        for template in sorted((TEMPLATES / source).rglob("*.tpl")):
            relative = template.relative_to(TEMPLATES / source).with_suffix("")
            path = folder / Path(*(part.replace("__name__", name) for part in relative.parts))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(string.Template(template.read_text(encoding="utf-8")).substitute(values), encoding="utf-8")
            yield path
