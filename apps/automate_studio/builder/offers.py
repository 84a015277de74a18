"""Palette of the builder: entries by group, suggestions and recently used ones first. `offer_search` searches them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.drafts.values import KIND_LABELS, Draft, StepNode
from automate_authoring.step_words import KIND_DESCRIPTIONS, TRIGGER_DESCRIPTIONS
from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.model_allowlist import AllowedModel, allowed_models
from automate_connectors.registry import connectors
from automate_core.models import DraftCommand, Workflow
from automate_governance.permissions import User
from automate_governance.texts import translated
from automate_plugins import text
from automate_studio.builder.panel import generic_action
from automate_studio.builder.panel.generic_action import generic_entry
from automate_studio.builder.panel.setup import TRIGGERS
from automate_studio.view_models.step_card import TRIGGER_ICONS

MOST_FITTING = 6
MOST_RECENT = 5
_EVENTS_READ = 60  #: edits of a person that are searched for what they used last
_LOGIC = {
    "branch": "alt_route",
    "parallel": "call_split",
    "for_each": "repeat",
    "repeat": "sync",
    "try": "shield",
    "wait": "hourglass_top",
    "workflow": "account_tree",
    "stop": "stop_circle",
    "reply": "reply",
}  #: icons of the kinds of steps
SUGGESTED, RECENT = text("Suggested"), text("Recently used")
REPEATED = {SUGGESTED, RECENT}  #: groups of what other groups have as well
TRIGGER = "trigger"  #: kind of an entry that adds a trigger, whose kind is its `action`


@dataclass(frozen=True, kw_only=True)
class PaletteEntry:
    """An entry that can be inserted; `inputs` are its preset inputs, `step` the new step's name.

    `preset` says what a wait or an approval begins as.
    """

    kind: str
    action: str = ""
    name: str
    description: str
    icon: str
    hue: int = 264
    inputs: dict[str, Any] = field(default_factory=dict)
    step: str = ""
    preset: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Identity of the offer, independent of its name."""
        preset = self.preset if self.kind == "wait" else ""  # approvals have one entry
        return self.kind, self.action, preset or str(self.inputs.get("model", ""))

    @property
    def search_key(self) -> str:
        """Its key in the search of steps."""
        return self.action if self.kind == "action" else f"trigger:{self.action}" if self.action else self.kind

    @property
    def is_preset(self) -> bool:
        """Whether it is one of several offers of the same step."""
        return bool(self.inputs) or (self.kind == "wait" and bool(self.preset))

    @property
    def request(self) -> str:
        """Fields of the command that adds it, as JSON."""
        if self.kind == TRIGGER:
            return json.dumps({"do": "add_trigger", "kind": self.action})
        asked = {"do": "add", "kind": self.kind, "action": self.action}
        asked |= {"name": self.step} if self.step else {}
        asked |= {"preset": self.preset} if self.preset else {}
        asked |= {"inputs": json.dumps(self.inputs)} if self.inputs else {}
        return json.dumps(asked)


def palette_groups(
    workflow: Workflow, draft: Draft, person: User, place: tuple[str, str], index: int
) -> dict[str, list[PaletteEntry]]:
    """Entries by group; suggested and recently used ones are repeated at the top. One query."""
    found = {text("Your data"): list(_model_entries(workflow)), **_all_groups(with_triggers=not place[0])}
    known = {offer.key: offer for offers in found.values() for offer in offers}
    ahead = {
        SUGGESTED: [known[what] for what in _suggested(draft, place, index, known)][:MOST_FITTING],
        RECENT: [known[what] for what in _recently_used(person) if what in known][:MOST_RECENT],
    }
    return {title: offers for title, offers in {**ahead, **found}.items() if offers}


def _all_groups(*, with_triggers: bool) -> dict[str, list[PaletteEntry]]:
    """The engine's own step kinds, and the actions of the installed connectors, a group for each app."""
    apps: dict[str, list[PaletteEntry]] = {}
    minds: list[PaletteEntry] = []
    adapters = [connectors.get(name) for name in connectors.names()]
    for adapter in sorted(adapters, key=lambda adapter: translated(adapter.name).casefold()):
        group = minds if adapter.code == "llm" else apps.setdefault(adapter.name, [])
        group.extend(_connector_entries(adapter))
    logic = [
        PaletteEntry(
            kind=kind, name=translated(KIND_LABELS[kind]), description=translated(KIND_DESCRIPTIONS[kind]), icon=icon
        )
        for kind, icon in _LOGIC.items()
    ]
    logic.append(
        PaletteEntry(
            kind="wait",
            name=_("Wait for a callback"),
            description=_("Wait until another system sends a request to a URL of this run"),
            icon="hourglass_top",
            step=_("Wait for a callback"),
            preset="callback",
        )
    )
    people = [
        PaletteEntry(
            kind="approval",
            name=translated(KIND_LABELS["approval"]),
            description=translated(KIND_DESCRIPTIONS["approval"]),
            icon="how_to_reg",
            preset="stops",
        ),
        PaletteEntry(
            kind="wait",
            name=_("Form page"),
            description=_("Show a page of a hosted form and wait for the answer"),
            icon="list_alt",
            step=_("Form page"),
            preset="form_page",
        ),
    ]
    groups = {text("Logic"): logic, text("People"): people, text("AI"): minds}
    triggers = {text("Triggers"): list(_trigger_entries())} if with_triggers else {}
    return {**groups, **triggers, **apps}


def _trigger_entries() -> Iterator[PaletteEntry]:
    """Triggers of the site's own kinds, for those who look for a form or an email among the steps."""
    for kind, words in TRIGGER_DESCRIPTIONS.items():
        name = _("Trigger: %(name)s") % {"name": translated(TRIGGERS[kind])}
        yield PaletteEntry(
            kind=TRIGGER, action=kind, name=name, description=translated(words), icon=TRIGGER_ICONS[kind]
        )


def _connector_entries(adapter: ConnectorAdapter) -> Iterator[PaletteEntry]:
    """A connector's described actions, or one generic action."""
    tile: Any = {"kind": "action", "icon": adapter.icon, "hue": adapter.hue}
    for action in adapter.actions:
        yield PaletteEntry(
            **tile,
            action=f"{adapter.code}.{action.name}",
            name=f"{translated(adapter.name)}: {translated(action.label) or action.name}",
            description=translated(action.description or adapter.description),
        )
    if not adapter.actions:
        name, description, step = generic_entry(adapter)
        reference = f"{adapter.code}.{generic_action.FIRST_NAME}"
        yield PaletteEntry(**tile, action=reference, name=name, description=description, step=step)


# --- the site's models ------------------------------------------------------------------------------------------------

_OPERATIONS = (
    ("find", text("Find %(name)s"), "view"),
    ("create", text("Create %(name)s"), "add"),
    ("update", text("Update %(name)s"), "change"),
)


def _model_entries(workflow: Workflow) -> Iterator[PaletteEntry]:
    """Model actions that the workflow's `run_as` may perform, with preset inputs."""
    if "models" not in connectors.names():
        return
    adapter = connectors.get("models")
    for entry in allowed_models().values():
        meta = entry.model._meta
        for action, name, verb in _OPERATIONS:
            if not _is_exposed(entry, action) or not workflow.run_as.has_perm(
                f"{meta.app_label}.{verb}_{meta.model_name}"
            ):
                continue
            noun = meta.verbose_name if action == "create" else meta.verbose_name_plural
            said = translated(name) % {"name": noun}
            yield PaletteEntry(
                kind="action",
                action=f"models.{action}",
                name=said,
                description=f"{meta.label}: {', '.join(entry.read if action == 'find' else entry.write)}",
                icon=adapter.icon,
                hue=adapter.hue,
                inputs={"model": entry.label},
                step=said,
            )


def _is_exposed(entry: AllowedModel, action: str) -> bool:
    return bool(entry.read if action == "find" else entry.write)


# --- what is likely ---------------------------------------------------------------------------------------------------


def _recently_used(person: User) -> Iterator[tuple[str, str, str]]:
    """Entries that the person added to any draft, newest first, each once."""
    seen: dict[tuple[str, str, str], None] = {}
    added = DraftCommand.objects.filter(author_id=person.pk, kind="add").order_by("-created_at")
    for changes in added.values_list("changes", flat=True)[:_EVENTS_READ]:
        for change in changes:
            if change["table"] == "step" and change["before"] is None:
                seen[_entry_key(change["after"])] = None
    yield from seen


def _entry_key(columns: dict[str, Any]) -> tuple[str, str, str]:
    inputs = columns["inputs"] if columns["action"].startswith("models.") else {}
    return columns["kind"], columns["action"], str(inputs.get("model", ""))


def _suggested(
    draft: Draft, place: tuple[str, str], index: int, known: Iterable[tuple[str, str, str]]
) -> list[tuple[str, str, str]]:
    """Usual followers of the step before the place: by its kind, its connector, the rest of the draft."""
    before = draft.siblings(place)[:index]
    holder = draft.steps.get(place[0])
    wanted = [(kind, action, "") for kind, action in _usual_followers(before[-1] if before else holder)]
    if before and before[-1].kind == "action":
        connector = before[-1].action.partition(".")[0]
        wanted += [what for what in known if what[1].partition(".")[0] == connector and what[1] != before[-1].action]
    used = Counter(("action", node.action, "") for node in draft.steps.values() if node.kind == "action")
    wanted += [what for what, _count in used.most_common()]
    wanted += [(kind, action, "") for kind, action in _COMMON]
    return [what for what in dict.fromkeys(wanted) if what in set(known)]


_COMMON = (
    ("branch", ""),
    ("action", "data.set"),
    ("action", "http.request"),
    ("approval", ""),
    ("action", "email.send"),
    ("for_each", ""),
    ("wait", ""),
)
_LISTS = ("find", "list", "query", "search")


def _usual_followers(before: StepNode | None) -> tuple[tuple[str, str], ...]:
    """Usual followers of a step, or first steps inside a container; None is the start."""
    if before is None:
        return ("branch", ""), ("action", "data.set")
    if before.kind == "approval":
        return ("action", "email.send"), ("action", "slack.post_message"), ("stop", "")
    if before.kind != "action":
        return ("action", "data.set"), ("action", "http.request")
    if before.action.partition(".")[2].startswith(_LISTS):
        return ("for_each", ""), ("branch", "")
    if before.action.startswith("llm."):
        return ("branch", ""), ("approval", "")
    return (("branch", ""),)
