"""A draft as a definition, as far as it can be parsed: faulty fields become problems and stay empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

import msgspec

from automate_authoring.drafts.values import OWN_FIELDS, UNCHOSEN, Draft, StepNode, ordered_triggers
from automate_core.definition.document import Definition, DefinitionError, Problem, Step, Trigger
from automate_core.definition.parsing import convert
from automate_core.definition.slots import slot_place, with_slot
from automate_plugins import text

STEPS: dict[str, type[Any]] = {str(part.__struct_config__.tag): part for part in get_args(Step.__value__)}
TRIGGERS: dict[str, type[Any]] = {str(part.__struct_config__.tag): part for part in get_args(Trigger.__value__)}
_UNCHOSEN_REASONS = {
    "connection": text("Choose a connection. You cannot use the original one."),
    "endpoint": text("Choose a webhook. You cannot view the payloads of the original one."),
}
_PLACEHOLDERS: dict[str, Any] = {"arms": [], "maximum": 1, "timeout": 0, "items": [], "name": ""}


@dataclass
class ParsedDraft:
    """`places` names the step at each place of the document, `faults` what could not be read there."""

    definition: Definition
    places: dict[str, str] = field(default_factory=dict)
    triggers: list[str] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)

    def is_reported(self, path: str) -> bool:
        """Whether a fault of that place, or of one around it, is known already."""
        return any(path == fault.path or path.startswith((f"{fault.path}.", f"{fault.path}[")) for fault in self.faults)

    def with_faults(self, others: Iterable[Problem]) -> list[Problem]:
        """The faults, and those of the others that are about something else."""
        return [*self.faults, *(problem for problem in others if not self.is_reported(problem.path))]


def parse_draft(draft: Draft) -> ParsedDraft:
    """The definition of a draft, as far as it goes."""
    parsed = ParsedDraft(Definition(name="", slug=draft.slug))
    lists = draft.lists()
    triggers = [
        _trigger(trigger.document(), f"triggers[{index}]", parsed)
        for index, trigger in enumerate(ordered_triggers(draft.triggers))
    ]
    draft_settings = draft.settings
    document = {name: getattr(draft_settings, name) for name in OWN_FIELDS}
    values = _fields(Definition, {"slug": draft.slug, **document}, "", parsed)
    steps = _steps(("", ""), "steps", lists, parsed)
    parsed.definition = Definition(**{**values, "triggers": triggers, "steps": steps})
    return parsed


def parse_trigger(document: dict[str, Any]) -> Trigger:
    """Parse one trigger of a draft as far as possible; parts that are missing are left empty."""
    return _trigger(document, "", ParsedDraft(Definition(name="", slug="")))


def _trigger(document: dict[str, Any], place: str, parsed: ParsedDraft) -> Trigger:
    parsed.triggers.append(document["key"])
    found: Trigger = _part(TRIGGERS[document["kind"]], document, place, parsed)
    return found


def _steps(
    place: tuple[str, str], path: str, lists: Mapping[tuple[str, str], list[StepNode]], parsed: ParsedDraft
) -> list[Step]:
    return [_step(node, f"{path}[{index}]", lists, parsed) for index, node in enumerate(lists.get(place, ()))]


def _step(node: StepNode, path: str, lists: Mapping[tuple[str, str], list[StepNode]], parsed: ParsedDraft) -> Step:
    parsed.places[path] = node.key
    part: Step = _part(STEPS[node.kind], node.document(), path, parsed)
    held = {
        slot: _steps((node.key, slot), f"{path}.{_slot_place(node, slot)}", lists, parsed)
        for slot in node.slots
        if (node.key, slot) in lists
    }
    for slot, inner in held.items():
        part = with_slot(part, slot, inner)
    return part


def _slot_place(node: StepNode, slot: str) -> str:
    numbers = {each["key"]: number for number, each in enumerate(node.named_slots)}
    return slot_place(node.kind, slot, numbers.get(slot))


def _part(into: type[Any], document: dict[str, Any], path: str, parsed: ParsedDraft) -> Any:
    for name in ("connection", "endpoint"):
        if document.get(name) == UNCHOSEN:
            parsed.faults.append(Problem(f"{path}.{name}", _UNCHOSEN_REASONS[name]))
            del document[name]
    try:
        return convert(document, into)
    except DefinitionError:
        return into(**_fields(into, document, path, parsed))


def _fields(into: type[Any], document: Mapping[str, Any], path: str, parsed: ParsedDraft) -> dict[str, Any]:
    """The fields that can be read; a stand-in for one that is needed and cannot."""
    values: dict[str, Any] = {}
    for spec in msgspec.structs.fields(into):
        place = f"{path}.{spec.name}".lstrip(".")
        if spec.name in document:
            try:
                values[spec.name] = convert(document[spec.name], spec.type, place)
                continue
            except DefinitionError as error:
                parsed.faults += error.problems
        elif spec.required and not parsed.is_reported(place):
            parsed.faults.append(Problem(place, text("%(name)s is required.", name=spec.name), missing=True))
        if spec.required:
            values[spec.name] = _PLACEHOLDERS.get(spec.name, "")
    return values
