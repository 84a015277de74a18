"""What the builder shows beside the tree: the panel of a step, of the triggers or of the workflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth import get_user_model

from automate_connectors.models import Connection
from automate_connectors.registry import find_action
from automate_core.drafts.commands import State
from automate_core.drafts.problems import DraftProblem
from automate_core.drafts.values import KINDS, LANES, OWN_FIELDS, Draft, StepNode, in_order
from automate_governance.permissions import User, permitted
from automate_plugins.fields import FieldKind, FieldSpec
from automate_studio import words
from automate_studio.builder import conditions as builder_conditions
from automate_studio.builder import fields as builder_fields
from automate_studio.builder import forms
from automate_studio.builder import triggers as builder_triggers
from automate_studio.builder.conditions import Conditions, ConditionView
from automate_studio.builder.forms import FieldView
from automate_studio.builder.setup import Setup
from automate_studio.tree import START, Card

TEST = "~test"  #: the path of the panel that tests the whole workflow
SETTINGS = "~workflow"  #: the path of the workflow's own panel


@dataclass(frozen=True, kw_only=True)
class ArmRow:
    """One route, track or outcome in its step's panel."""

    key: str
    name: str
    index: int
    last: bool
    error: str
    condition: ConditionView | None = None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One form, or the triggers' several. `post` says which part of the draft its fields belong to."""

    path: str
    title: str
    subtitle: str
    rev: int
    fields: list[FieldView] = field(default_factory=list)
    policy: list[FieldView] = field(default_factory=list)
    notes: list[FieldView] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    arms: list[ArmRow] = field(default_factory=list)
    triggers: list[Panel] = field(default_factory=list)
    setup: Setup | None = None
    conditions: Conditions = field(default_factory=Conditions)
    card: Card | None = None
    node: StepNode | None = None

    @property
    def key(self) -> str:
        """The key of its step or trigger."""
        return self.path.rpartition("/")[2]

    @property
    def test_key(self) -> str:
        """The key of the step that its test is about; empty for the whole workflow."""
        return self.node.key if self.node else ""

    @property
    def own_conditions(self) -> list[ConditionView]:
        """Those that are no route's."""
        return [] if self.arms else list(self.conditions.views.values())

    @property
    def main(self) -> list[FieldView]:
        """The fields that stand first: all, when none of a step's has to be filled in."""
        found = [view for view in self.fields if view.is_main]
        return found if self.node and any(view.spec.name != "name" for view in found) else self.fields

    @property
    def more(self) -> list[FieldView]:
        """The others."""
        main = {view.name for view in self.main}
        return [view for view in self.fields if view.name not in main]

    @property
    def is_free(self) -> bool:
        """Whether its step takes values of any name."""
        return self.node is not None and self.node.kind == "action" and takes_any(self.node)

    def all_fields(self) -> list[FieldView]:
        """All of its own, and their parts."""
        own = [*self.fields, *self.policy, *self.notes]
        return [*own, *(part for view in own for part in view.parts)]


def path_of(draft: Draft, key: str) -> str:
    """The path of a step in the tree."""
    node, path = draft.steps[key], key
    while node.parent:
        node = draft.steps[node.parent]
        path = f"{node.key}/{path}"
    return path


def panel(state: State, path: str, user: User, refused: Mapping[str, str] | None = None) -> Panel | None:
    """The panel at a path; `refused` are errors of fields that were not stored. None when there is no such step."""
    if path == START:
        return _triggers(state, user, refused or {})
    if path == SETTINGS:
        return _settings(state, refused or {})
    if path == TEST:
        return Panel(path=TEST, title="Test run", subtitle="The whole workflow", rev=0)
    node = state.draft.steps.get(path.rpartition("/")[2])
    return _step(state, node, user, refused or {}) if node else None


def step_specs(node: StepNode, user: User) -> Iterator[tuple[tuple[FieldSpec, ...], dict[str, Any], str]]:
    """(fields, present values, prefix of their names) of a step: its inputs, what its kind has, policy, notes."""
    base = {"name": node.name, "notes": node.notes}
    yield (builder_fields.NAME,), base, ""
    if node.kind == "action":
        if takes_connection(node):
            yield (_connection_spec(node, user),), {"connection": node.connection}, ""
        yield _input_specs(node), node.inputs, "inputs."
    yield builder_fields.STEP_FIELDS[node.kind], node.settings, ""
    if node.kind == "action":
        yield builder_fields.POLICY_FIELDS, node.policy, ""
    yield (builder_fields.NOTES,), base, ""


def takes_connection(node: StepNode) -> bool:
    """Whether a step's connector takes a connection, or one is set that can be taken out."""
    try:
        adapter, _ = find_action(node.action)
    except LookupError:
        return True
    return bool(node.connection) or adapter.takes_connection


def takes_any(node: StepNode) -> bool:
    """Whether an action takes inputs of any name."""
    try:
        return find_action(node.action)[1].fields is None
    except LookupError:
        return False


def _connection_spec(node: StepNode, user: User) -> FieldSpec:
    usable = permitted(user, "use", Connection.objects.filter(connector=node.action.partition(".")[0]))
    choices = [(connection.slug, connection.name) for connection in usable]
    if node.connection and node.connection not in dict(choices):
        choices.append((node.connection, f"{node.connection} (not yours to use)"))
    spec = FieldSpec(name="connection", label="Connection", default="", shown=True)
    return forms.with_choices([spec], "connection", choices)[0]


def _input_specs(node: StepNode) -> tuple[FieldSpec, ...]:
    """The action's fields, and whatever else is filled in, so that it can be taken out."""
    try:
        _, action = find_action(node.action)
        known = action.fields or ()
    except LookupError:
        known = ()
    names = {spec.name for spec in known}
    return (
        *known,
        *(FieldSpec(name=name, kind=_kind(value)) for name, value in node.inputs.items() if name not in names),
    )


def extras(node: StepNode) -> set[str]:
    """The names of the inputs that its action says nothing of: people named them."""
    try:
        known = {spec.name for spec in find_action(node.action)[1].fields or ()}
    except LookupError:
        known = set()
    return {f"inputs.{name}" for name in node.inputs if name not in known}


def _kind(value: Any) -> FieldKind:
    """How an input that nothing is known of is edited."""
    kinds = {
        str: FieldKind.LONG_TEXT,
        bool: FieldKind.BOOLEAN,
        int: FieldKind.NUMBER,
        float: FieldKind.NUMBER,
        list: FieldKind.LIST,
        dict: FieldKind.MAPPING,
    }
    return kinds.get(type(value), FieldKind.JSON)


def _step(state: State, node: StepNode, user: User, refused: Mapping[str, str]) -> Panel:
    mine = [problem for problem in state.problems if problem.step == node.key]
    errors = _by_field(mine) | dict(refused)
    drawn = [forms.views(specs, values, errors, prefix) for specs, values, prefix in step_specs(node, user)]
    extra = extras(node)
    drawn = [[_as_drawn(view, extra) for view in part] for part in drawn]
    conditions = builder_conditions.of_step(state, node, user, errors)
    policy = drawn[-2] if node.kind == "action" else []
    fields = [
        view
        for part in (drawn[:-2] if node.kind == "action" else drawn[:-1])
        for view in part
        if view.name not in conditions.views
    ]
    return Panel(
        path=path_of(state.draft, node.key),
        title=node.label,
        subtitle=_subtitle(node),
        rev=node.rev,
        fields=fields,
        policy=policy,
        notes=drawn[-1],
        problems=[
            (problem.level, words.sentence(problem.reason))
            for problem in mine
            if not _has_field(problem.field, [*fields, *policy]) and not _is_at_a_condition(problem.field, node)
        ],
        arms=list(_arms(node, errors, conditions)),
        conditions=conditions,
        node=node,
    )


def _as_drawn(view: FieldView, extra: set[str]) -> FieldView:
    """A field of a step as its panel has it."""
    if view.name == "connection":
        return replace(view, widget="connection")
    return replace(view, extra=view.name in extra)


def _by_field(problems: Iterable[DraftProblem]) -> dict[str, str]:
    return {problem.field: words.sentence(problem.reason) for problem in problems}


def _has_field(name: str, fields: Iterable[FieldView]) -> bool:
    return any(forms.is_about(name, view.name) for view in fields)


def _subtitle(node: StepNode) -> str:
    if node.kind != "action":
        return KINDS[node.kind]
    try:
        adapter, action = find_action(node.action)
    except LookupError:
        return f"{node.action}, not installed"
    return f"{adapter.name}, {(action.label or action.name).lower()}"


def _is_at_a_condition(name: str, node: StepNode) -> bool:
    """Whether a problem is told where a condition is drawn."""
    return (
        name.startswith("arms[") if node.kind == "branch" else node.kind == "repeat" and forms.is_about(name, "until")
    )


def _arms(node: StepNode, errors: Mapping[str, str], conditions: Conditions) -> Iterator[ArmRow]:
    for index, lane in enumerate(node.lanes):
        place = f"{LANES[node.kind]}[{index}]"
        yield ArmRow(
            key=lane["key"],
            name=lane.get("name", ""),
            index=index,
            last=index == len(node.lanes) - 1,
            error=next((error for name, error in errors.items() if name.startswith(place) and ".when" not in name), ""),
            condition=conditions.views.get(lane["key"]),
        )


def _triggers(state: State, user: User, refused: Mapping[str, str]) -> Panel:
    found = []
    for node in in_order(state.draft.triggers):
        mine = [problem for problem in state.problems if problem.trigger == node.key]
        errors = _by_field(mine) | dict(refused)
        conditions = builder_conditions.of_trigger(state, node, user, errors)
        setup = builder_triggers.setup(state, node, user, errors)
        problems: list[tuple[str, str]] = [
            (problem.level, words.sentence(problem.reason)) for problem in mine if not setup.has(problem.field)
        ]
        found.append(
            Panel(
                path=node.key,
                title=TRIGGERS[node.kind],
                subtitle="",
                rev=node.rev,
                setup=setup,
                problems=problems,
                conditions=conditions,
            )
        )
    return Panel(path=START, title="Triggers", subtitle="What starts this workflow", rev=0, triggers=found)


TRIGGERS = {
    "webhook": "Webhook",
    "schedule": "Schedule",
    "model": "Model change",
    "manual": "By hand",
    "event": "Event of the site's code",
    "run": "Another workflow ended",
}


def settings_values(draft: Draft) -> dict[str, Any]:
    """The workflow's own fields as they stand."""
    said = draft.settings
    person = get_user_model()._default_manager.filter(pk=said.run_as).first()
    values = {name: value for name in OWN_FIELDS if (value := getattr(said, name)) is not None}
    return {**values, "run_as": person.get_username() if person else ""}


def _settings(state: State, refused: Mapping[str, str]) -> Panel:
    mine = [problem for problem in state.problems if not problem.step and not problem.trigger]
    errors = _by_field(mine) | dict(refused)
    fields = forms.views(builder_fields.SETTINGS_FIELDS, settings_values(state.draft), errors)
    return Panel(
        path=SETTINGS,
        title="Workflow",
        subtitle="Name, time zone, variables",
        rev=state.workflow.settings_rev,
        fields=fields,
        problems=[
            (problem.level, words.sentence(problem.reason)) for problem in mine if not _has_field(problem.field, fields)
        ],
    )
