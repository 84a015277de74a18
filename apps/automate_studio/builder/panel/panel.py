"""Panel of a step, of the triggers or of the workflow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _

from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.values import KIND_LABELS, OWN_FIELDS, Draft, StepNode, ordered_triggers
from automate_authoring.publishing.fixes import find_fixes
from automate_authoring.publishing.shared_triggers import shared_trigger_reasons
from automate_connectors.registry import find_action
from automate_core.definition.slots import NAMED_SLOT_FIELDS
from automate_core.definition.step_names import shown_name
from automate_core.definition.step_paths import START
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import User
from automate_governance.texts import translated
from automate_operations.notifications.channels.mail import can_mail, no_mail_message
from automate_studio.builder.panel import steps
from automate_studio.builder.panel.conditions import Conditions, ConditionView, step_conditions, trigger_conditions
from automate_studio.builder.panel.field_messages import concerns_field, message_at
from automate_studio.builder.panel.forms import FieldView, FixButton, build_field_views
from automate_studio.builder.panel.problem_messages import form_messages, messages_by_field
from automate_studio.builder.panel.setup import TRIGGERS, TriggerFormView
from automate_studio.builder.panel.steps import (
    SETTINGS,
    TEST,
    path_of_step,
    settings_field_specs,
    step_at,
    step_field_specs,
    takes_free_inputs,
)
from automate_studio.builder.panel.wait_fields import callback_expression
from automate_studio.builder.triggers.trigger_form import build_setup
from automate_studio.view_models.step_tree import StepCard
from automate_ui.fields import FieldMessage
from automate_ui.json.editor import write_text


@dataclass(frozen=True, kw_only=True)
class SlotRow:
    """A route, branch or outcome in its step's panel."""

    key: str
    name: str
    index: int
    last: bool
    message: FieldMessage | None
    condition: ConditionView | None = None
    fixes: tuple[FixButton, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One form, or the triggers' forms."""

    path: str
    title: str
    subtitle: str
    rev: int
    fields: list[FieldView] = field(default_factory=list)
    policy: list[FieldView] = field(default_factory=list)
    notes: list[FieldView] = field(default_factory=list)
    problems: list[FieldMessage] = field(default_factory=list)
    is_off: bool = False  # of a trigger that starts nothing
    arms_message: FieldMessage | None = None
    arms: list[SlotRow] = field(default_factory=list)
    triggers: list[Panel] = field(default_factory=list)
    setup: TriggerFormView | None = None
    conditions: Conditions = field(default_factory=Conditions)
    card: StepCard | None = None
    node: StepNode | None = None

    @property
    def key(self) -> str:
        """Key of its step or trigger."""
        return self.path.rpartition("/")[2]

    @property
    def test_key(self) -> str:
        """Key of the step that its test is about; empty for the whole workflow."""
        return self.node.key if self.node else ""

    @property
    def own_conditions(self) -> list[ConditionView]:
        """Conditions that are not a route's."""
        return [] if self.arms else list(self.conditions.views.values())

    @property
    def main(self) -> list[FieldView]:
        """The first fields: all, when no field of a step is required."""
        found = [view for view in self.fields if view.is_main]
        return found if self.node and any(view.spec.name != "name" for view in found) else self.fields

    @property
    def more(self) -> list[FieldView]:
        """The other fields."""
        main = {view.name for view in self.main}
        return [view for view in self.fields if view.name not in main]

    @property
    def callback_expression(self) -> str:
        """The expression of the URL that answers it, which an earlier step sends; empty where there is none."""
        return callback_expression(self.node)

    @property
    def unsent_mail(self) -> str:
        """Why nobody is told about an approval; empty when people are."""
        is_approval = self.node is not None and self.node.kind == "approval"
        return "" if not is_approval or can_mail() else translated(no_mail_message())

    @property
    def is_free(self) -> bool:
        """Whether the step takes inputs of any name."""
        return self.node is not None and self.node.kind == "action" and takes_free_inputs(self.node)

    def all_fields(self) -> list[FieldView]:
        """Its fields and their parts."""
        own = [*self.fields, *self.policy, *self.notes]
        return [*own, *(part for view in own for part in view.parts)]


def with_json_field(panel: Panel, name: str) -> Panel:
    """The panel with that field as JSON instead of a table."""
    values = panel.node.inputs if panel.node else {}

    def drawn(view: FieldView) -> FieldView:
        if view.name != name or view.widget != "schema":
            return view
        return replace(view, widget="json", rows=[], text=write_text(values.get(view.spec.name, {})))

    return replace(panel, fields=[drawn(view) for view in panel.fields])


def panel_at(state: DraftState, path: str, user: User, refused: Mapping[str, str] | None = None) -> Panel | None:
    """The panel at a path; `refused` are errors of fields that were not stored. None for an unknown step."""
    if path == START:
        return _triggers_panel(state, user, refused or {})
    if path == SETTINGS:
        return _settings_panel(state, refused or {})
    if path == TEST:
        return Panel(path=TEST, title=_("Test run"), subtitle=_("The whole workflow"), rev=0)
    node = step_at(state.draft, path)
    return _step_panel(state, node, user, refused or {}) if node else None


def _step_panel(state: DraftState, node: StepNode, user: User, refused: Mapping[str, str]) -> Panel:
    mine = [problem for problem in state.problems if problem.step == node.key]
    said = messages_by_field(mine, refused, node.kind)
    drawn = [build_field_views(specs, values, said, prefix) for specs, values, prefix in step_field_specs(node, user)]
    extra = set(steps.free_inputs(node))
    drawn = [[_panel_field(view, extra, state, node) for view in part] for part in drawn]
    conditions = step_conditions(state, node, user, said)
    policy = drawn[-2] if node.kind == "action" else []
    fields = [
        view
        for part in (drawn[:-2] if node.kind == "action" else drawn[:-1])
        for view in part
        if view.name not in conditions.views
    ]

    def has(name: str) -> bool:
        return _is_beside(name, node) or _has_field(name, [*fields, *policy, *drawn[-1]])

    return Panel(
        path=path_of_step(state.draft, node.key),
        title=shown_name(node.label),
        subtitle=_subtitle(node),
        rev=node.rev,
        fields=fields,
        policy=policy,
        notes=drawn[-1],
        problems=form_messages(mine, has, node.kind),
        arms=list(_slot_rows(state, node, said, conditions)),
        arms_message=said.get(NAMED_SLOT_FIELDS.get(node.kind, "")),
        conditions=conditions,
        node=node,
    )


def _panel_field(view: FieldView, extra: set[str], state: DraftState, node: StepNode) -> FieldView:
    """A field of a step as its panel has it."""
    if view.name == "connection":
        return replace(view, widget="connection", choices_are_names=True)
    fixes = _fix_buttons(view.name, state, node) if view.message else ()
    return replace(view, extra=view.name in extra, fixes=fixes)


def _fix_buttons(name: str, state: DraftState, node: StepNode) -> tuple[FixButton, ...]:
    """Buttons of the fixes of what is said at a field of a step."""
    offered = find_fixes(state.parsed.definition)
    return tuple(
        FixButton(translated(fix.label), fix.posted_command(node.rev))
        for fix in offered
        if fix.step == node.key and concerns_field(fix.field, name)
    )


def _has_field(name: str, fields: Iterable[FieldView]) -> bool:
    return any(concerns_field(name, view.name) for view in fields)


def _subtitle(node: StepNode) -> str:
    if node.kind != "action":
        return translated(KIND_LABELS[node.kind])
    try:
        adapter, action = find_action(node.action)
    except LookupError:
        return _("%(action)s, not installed") % {"action": node.action}
    return f"{translated(adapter.name)}: {translated(action.label) or action.name}"


def _is_beside(name: str, node: StepNode) -> bool:
    """Whether a problem is shown at a route, branch or outcome, or at a loop's condition."""
    return concerns_field(name, "until" if node.kind == "repeat" else NAMED_SLOT_FIELDS.get(node.kind, "\0"))


def _slot_rows(
    state: DraftState, node: StepNode, said: Mapping[str, FieldMessage], conditions: Conditions
) -> Iterator[SlotRow]:
    for index, lane in enumerate(node.named_slots):
        place = f"{NAMED_SLOT_FIELDS[node.kind]}[{index}]"
        message = message_at({name: each for name, each in said.items() if ".when" not in name}, place)
        yield SlotRow(
            key=lane["key"],
            name=lane.get("name", ""),
            index=index,
            last=index == len(node.named_slots) - 1,
            message=message,
            condition=conditions.views.get(lane["key"]),
            fixes=_fix_buttons(place, state, node) if message else (),
        )


def _triggers_panel(state: DraftState, user: User, refused: Mapping[str, str]) -> Panel:
    found = []
    shared = dict(shared_trigger_reasons(state.parsed.definition, state.workflow.slug, user))
    for node in ordered_triggers(state.draft.triggers):
        mine = [problem for problem in state.problems if problem.trigger == node.key]
        said = messages_by_field(mine, refused, node.kind)
        conditions = trigger_conditions(state, node, user, said)
        setup = build_setup(state, node, user, said)
        found.append(
            Panel(
                path=node.key,
                title=translated(TRIGGERS[node.kind]),
                subtitle="",
                rev=node.rev,
                setup=setup,
                problems=[
                    *form_messages(mine, setup.has, node.kind),
                    *(FieldMessage(translated(shared[key]), "warning") for key in shared if key == node.key),
                ],
                conditions=conditions,
                is_off=node.is_disabled,
            )
        )
    # That there is no trigger yet is a warning: the card and the list of problems say it already.
    none = [each for each in state.problems if each.field == "triggers" and not each.step and each.level == "error"]
    return Panel(
        path=START,
        title=_("Triggers"),
        subtitle=_("Start this workflow automatically"),
        rev=0,
        triggers=found,
        problems=form_messages(none, lambda name: False),
    )


def settings_values(draft: Draft) -> dict[str, Any]:
    """Current values of the workflow's own fields."""
    said = draft.settings
    person = get_user_model()._default_manager.filter(pk=said.run_as).first()
    values = {name: value for name in OWN_FIELDS if (value := getattr(said, name)) is not None}
    return {**values, "run_as": sign_in_name(person) if person else ""}


def _settings_panel(state: DraftState, refused: Mapping[str, str]) -> Panel:
    mine = [each for each in state.problems if not each.step and not each.trigger and each.field != "triggers"]
    said = messages_by_field(mine, refused)
    fields = build_field_views(settings_field_specs(state.draft), settings_values(state.draft), said)
    return Panel(
        path=SETTINGS,
        title=_("Workflow settings"),
        subtitle=_("Name, time zone, variables"),
        rev=state.workflow.settings_rev,
        fields=fields,
        problems=form_messages(mine, lambda name: _has_field(name, fields)),
    )
