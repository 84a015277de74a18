"""Drafts as values: steps and triggers by key, as in their rows. Commands take one draft and return another.

A draft may hold invalid values. One thing always holds: it is a tree whose steps are in slots of their parents.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from automate_core.definition.document import OTHERWISE, TIMEOUT
from automate_core.definition.slots import NAMED_SLOT_FIELDS
from automate_plugins import text
from automate_plugins.texts import joined

GAP = 1_024  #: between the positions of neighbours, so that an insertion writes one row
#: Stands where a connection or an endpoint has to be chosen. No slug looks like it, so nothing is ever found by it.
UNCHOSEN = "?"
COLUMNS = ("name", "action", "connection", "inputs", "notes", "disabled")
POLICY_FIELDS = frozenset({"retry", "timeout", "on_error", "at_most_once", "runs_on"})
#: Labels of the kinds of steps, everywhere.
KIND_LABELS = {
    "action": text("Action"),
    "branch": text("Branch"),
    "parallel": text("Parallel"),
    "for_each": text("For each"),
    "repeat": text("Repeat until"),
    "try": text("Catch errors"),
    "wait": text("Wait"),
    "approval": text("Approval"),
    "workflow": text("Run a workflow"),
    "stop": text("Stop"),
    "reply": text("Reply to caller"),
}
#: Labels of the kinds of triggers, everywhere.
TRIGGER_LABELS = {
    "webhook": text("Webhook"),
    "schedule": text("Schedule"),
    "model": text("Model change"),
    "manual": text("Manual"),
    "event": text("Event"),
    "run": text("Workflow ended"),
    "poll": text("Poll"),
    "service": text("Service webhook"),
    "form": text("Form"),
    "mail": text("Email"),
}
_SLOTS = {"for_each": ("steps",), "repeat": ("steps",), "try": ("steps", "on_error", "always")}


@dataclass(frozen=True, kw_only=True, slots=True)
class StepNode:
    """One step. `parent` is the key of the step that holds it, empty at the top; `slot` the list there.

    `pk` is that of its row, None for a new one. The mappings are never changed in place.
    """

    key: str
    kind: str
    parent: str = ""
    slot: str = ""
    position: int = 0
    name: str = ""
    action: str = ""
    connection: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)
    policy: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: str = ""
    disabled: bool = False
    rev: int = field(default=0, compare=False)
    pk: int | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """The name shown to people."""
        return self.name or self.key.replace("_", " ").capitalize()

    @property
    def place(self) -> tuple[str, str]:
        """The list that it stands in."""
        return self.parent, self.slot

    @property
    def named_slots(self) -> list[dict[str, Any]]:
        """The routes, parallel branches or outcomes, each with its key; none for a step that has no such."""
        found: list[dict[str, Any]] = (
            self.settings.get(NAMED_SLOT_FIELDS[self.kind], []) if self.kind in NAMED_SLOT_FIELDS else []
        )
        return found

    @property
    def slots(self) -> list[str]:
        """The lists of steps inside it, in evaluation order."""
        found = [named_slot["key"] for named_slot in self.named_slots] or list(_SLOTS.get(self.kind, ()))
        if self.kind == "branch":
            found.append(OTHERWISE)
        if self.kind in {"wait", "approval"} and self.settings.get("on_timeout") is not None:
            found.append(TIMEOUT)
        on_error = self.policy.get("on_error")
        if self.kind == "action" and isinstance(on_error, dict) and "steps" in on_error:
            found.append("on_error")
        return found

    def document(self) -> dict[str, Any]:
        """Its part of a workflow's document, with empty lists where its inner steps stand."""
        document: dict[str, Any] = {"kind": self.kind, "key": self.key, "name": self.name, "notes": self.notes}
        document |= {"disabled": self.disabled, **copy.deepcopy(self.settings), **copy.deepcopy(self.policy)}
        if self.kind == "action":
            document |= {"action": self.action, "connection": self.connection, "inputs": copy.deepcopy(self.inputs)}
        return document


@dataclass(frozen=True, kw_only=True, slots=True)
class TriggerNode:
    """One trigger; `config` is what only its kind has."""

    key: str
    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    filter: Any = None
    position: int = 0
    rev: int = field(default=0, compare=False)
    pk: int | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """The name shown to people."""
        number = self.key.removeprefix(self.kind).removeprefix("_")
        if self.key.startswith(self.kind) and (not number or number.isdecimal()) and self.kind in TRIGGER_LABELS:
            return text("trigger %(name)s", name=joined([TRIGGER_LABELS[self.kind], number]))
        return text("trigger %(name)s", name=self.key.replace("_", " "))

    @property
    def is_disabled(self) -> bool:
        """Whether it starts nothing."""
        return self.config.get("disabled") is True

    def document(self) -> dict[str, Any]:
        """Its part of a workflow's document."""
        return {"kind": self.kind, "key": self.key, "filter": self.filter, **copy.deepcopy(self.config)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Settings of a workflow. `run_as` is a user's primary key and the only field that files leave out."""

    name: str
    description: str
    tags: Any
    timezone: str
    priority: int
    concurrency: Any
    retention: Any
    agents: Any
    vars: Any
    subject: str
    runs_on: str
    search_terms: Any
    run_as: Any


#: The names of what a workflow's document says about it.
OWN_FIELDS = tuple(field.name for field in fields(Settings) if field.name != "run_as")


@dataclass
class Draft:
    """A working copy: its mappings are replaced and changed, the values in them never are."""

    slug: str
    settings: Settings
    steps: dict[str, StepNode]
    triggers: dict[str, TriggerNode]

    def copy(self) -> Draft:
        """A copy that can be changed independently."""
        return Draft(self.slug, self.settings, dict(self.steps), dict(self.triggers))

    def lists(self) -> dict[tuple[str, str], list[StepNode]]:
        """All lists of steps, each in order, by (key of the parent, slot)."""
        found: dict[tuple[str, str], list[StepNode]] = {}
        for node in sorted(self.steps.values(), key=lambda node: node.position):
            found.setdefault(node.place, []).append(node)
        return found

    def siblings(self, place: tuple[str, str]) -> list[StepNode]:
        """One list in order."""
        return sorted((node for node in self.steps.values() if node.place == place), key=lambda node: node.position)

    def subtree(self, key: str) -> list[str]:
        """The keys of a step and of all inside it, holders before what they hold."""
        lists = self.lists()
        found = [key]
        for holder in found:  # grows while it is walked
            found += [inner.key for slot in self.steps[holder].slots for inner in lists.get((holder, slot), ())]
        return found

    def depth(self) -> int:
        """Depth of the deepest step; 1 at the top."""
        depths: dict[str, int] = {"": 0}

        def depth_of(key: str) -> int:
            if key not in depths:
                depths[key] = depth_of(self.steps[key].parent) + 1
            return depths[key]

        return max(map(depth_of, self.steps), default=0)

    def place_at(self, node: StepNode, place: tuple[str, str], index: int | None) -> None:
        """Put a step into a list before the one at `index`, or last; spread its neighbours where there is no gap."""
        around = [other for other in self.siblings(place) if other.key != node.key]
        at = len(around) if index is None else min(max(index, 0), len(around))
        before = around[at - 1].position if at else 0
        after = around[at].position if at < len(around) else before + 2 * GAP
        if after - before > 1:
            self.steps[node.key] = replace(node, parent=place[0], slot=place[1], position=(before + after) // 2)
            return
        around.insert(at, replace(node, parent=place[0], slot=place[1]))
        for number, each in enumerate(around, 1):
            self.steps[each.key] = replace(each, position=number * GAP)

    def remove(self, keys: Iterable[str]) -> None:
        """Take out steps."""
        for key in keys:
            del self.steps[key]

    def drop_orphans(self) -> list[StepNode]:
        """Remove the steps whose slot no longer exists, and return them."""
        steps = self.steps.values()
        orphans = [node for node in steps if node.parent and node.slot not in self.steps[node.parent].slots]
        for node in orphans:
            self.remove(key for key in self.subtree(node.key) if key in self.steps)
        return orphans


def slot_container(document: dict[str, Any], slot: str) -> tuple[dict[str, Any], str]:
    """The place of a slot's steps in a step's document: (mapping, name)."""
    for named_slot in document.get("arms") or document.get("outcomes") or ():
        if named_slot["key"] == slot:
            return named_slot, "steps"
    if slot == TIMEOUT:
        return document, "on_timeout"
    if slot == "on_error" and document["kind"] == "action":
        return document["on_error"], "steps"
    return document, slot


def step_document(key: str, draft: Draft, lists: Mapping[tuple[str, str], list[StepNode]]) -> dict[str, Any]:
    """The whole document of a step, with all inside it."""
    node = draft.steps[key]
    document = node.document()
    for slot in node.slots:
        mapping, name = slot_container(document, slot)
        mapping[name] = [step_document(inner.key, draft, lists) for inner in lists.get((key, slot), ())]
    return document


def draft_document(draft: Draft) -> dict[str, Any]:
    """The workflow's whole document, faults included. `definition.parse` reads it when there are none."""
    lists = draft.lists()
    own_settings = draft.settings
    return {
        "slug": draft.slug,
        **{name: getattr(own_settings, name) for name in OWN_FIELDS},
        "triggers": [trigger.document() for trigger in ordered_triggers(draft.triggers)],
        "steps": [step_document(node.key, draft, lists) for node in lists.get(("", ""), ())],
    }


def ordered_triggers(triggers: Mapping[str, TriggerNode]) -> Iterator[TriggerNode]:
    """The triggers as they stand."""
    return iter(sorted(triggers.values(), key=lambda trigger: trigger.position))
