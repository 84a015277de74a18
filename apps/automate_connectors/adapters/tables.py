"""Actions, polls and settings of connectors in Python, as data: the module reads a file of YAML beside it.

Names are those of `Action`, `Poll` and `FieldSpec`. `choices` are labels by value, or values alone; `when` names one
choice and its values. `%(name)s` in a text stands for a value that the module passes, such as a limit; a name in
place of a field, for a field that it passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from automate_connectors.adapters.base import Action, Effect
from automate_connectors.adapters.polls import Poll
from automate_connectors.declared.yaml_files import read_own_file
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec

_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
_TEXTS = ("label", "description", "group", "help", "missing")


@dataclass(frozen=True)
class Tables:
    """What a file holds. `fields` are by the name of their group."""

    settings: tuple[FieldSpec, ...]
    actions: tuple[Action, ...]
    polls: tuple[Poll, ...]
    fields: Mapping[str, tuple[FieldSpec, ...]]


def read_tables(path: Path, **values: Any) -> Tables:
    """Return the tables of a file, with the values of its placeholders.

    Raises TypeError for a name that the contract of connectors does not have, KeyError for a field that is not passed.
    """
    document = read_own_file(path)
    fields = _Fields(values)
    return Tables(
        settings=fields.specs(document.get("settings")),
        actions=tuple(map(fields.action, document.get("actions", ()))),
        polls=tuple(Poll(**fields.described(poll)) for poll in document.get("polls", ())),
        fields={name: fields.specs(group) for name, group in document.get("fields", {}).items()},
    )


def texts(path: Path) -> Iterator[str]:
    """Yield what people read of a file of tables, for the catalogues of this project."""
    yield from dict.fromkeys(filter(None, _texts(read_own_file(path))))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (value[name] for name in _TEXTS if isinstance(value.get(name), str))
        if isinstance(choices := value.get("choices"), dict):
            yield from choices.values()
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(part)


@dataclass(frozen=True)
class _Fields:
    values: Mapping[str, Any]

    def specs(self, parts: Iterable[Mapping[str, Any] | str] | None) -> tuple[FieldSpec, ...]:
        return tuple(map(self._field, parts or ()))

    def action(self, part: Mapping[str, Any]) -> Action:
        made = self.described(part)
        made["effect"] = Effect(part.get("effect", Effect.EFFECTFUL))
        made["outputs"] = self.specs(part.get("outputs"))
        made["needs_one_of"] = tuple(part.get("needs_one_of", ()))
        return Action(**made)

    def described(self, part: Mapping[str, Any]) -> dict[str, Any]:
        """The texts and the fields of an action or a poll; an action without fields takes any inputs."""
        made = {name: self._text(value) if name in _TEXTS else value for name, value in part.items()}
        return {**made, "fields": self.specs(part["fields"])} if "fields" in part else made

    def _field(self, part: Mapping[str, Any] | str) -> FieldSpec:
        if isinstance(part, str):
            passed: FieldSpec = self.values[part]
            return passed
        made = self.described(part)
        if "kind" in part:
            made["kind"] = FieldKind(part["kind"])
        if choices := part.get("choices"):
            pairs = choices.items() if isinstance(choices, dict) else ((each, each) for each in choices)
            made["choices"] = tuple(pairs)
        if when := part.get("when"):
            [(name, wanted)] = when.items()
            made["when"] = (name, tuple(wanted))
        if "columns" in part:
            made["columns"] = self.specs(part["columns"])
        return FieldSpec(**made)

    def _text(self, message: str) -> str:
        placeholders = _PLACEHOLDER.findall(message)
        return text(message, **{name: self.values[name] for name in placeholders if name in self.values})
