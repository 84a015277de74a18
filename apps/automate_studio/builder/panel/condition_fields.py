"""The fields that the rows of a condition choose from: what people call them, the event's payload first."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.utils.translation import gettext as _

from automate_authoring.drafts.commands import DraftState
from automate_authoring.drafts.history import names_of_deleted_steps
from automate_core.definition.step_names import shown_name, title_of_key

type StepNames = Callable[[str], str]
_ORDER = ("event.payload.", "steps.", "item", "vars.", "event.payload")


@dataclass(frozen=True)
class FieldOption:
    """A field: its path, what people call it, and its value in the sample."""

    path: str
    label: str
    value: str = ""


def step_names(state: DraftState) -> StepNames:
    """A function that returns what people call a step, by its key; a deleted one is named as such."""
    former = names_of_deleted_steps(state.workflow)

    def name_of(key: str) -> str:
        if node := state.draft.steps.get(key):
            return shown_name(node.label)
        deleted = former(key)
        return _("%(step)s (deleted)") % {"step": deleted} if deleted else title_of_key(key)

    return name_of


def field_options(found: Iterable[tuple[str, str]], name_of: StepNames) -> list[FieldOption]:
    """The fields with their labels. What describes an event stands last."""
    options = [FieldOption(path, field_label(path, name_of), value) for path, value in found]
    return sorted(options, key=lambda option: _place(option.path))


def _place(path: str) -> int:
    return next((place for place, begin in enumerate(_ORDER) if path.startswith(begin)), len(_ORDER))


def field_label(path: str, name_of: StepNames) -> str:
    """`Order total: items.0.total` for `steps.total.output.items.0.total`, `amount` for `event.payload.amount`."""
    root, _dot, rest = path.partition(".")
    first, _dot, inner = rest.partition(".")
    if root == "steps":
        step, field = name_of(first), inner.removeprefix("output").removeprefix(".")
        return f"{step}: {field}" if field else step
    if root == "event" and first == "payload":
        return inner or _("Payload")
    if root == "event" and rest:
        return _("Event: %(field)s") % {"field": rest}
    if root == "item":
        return _("Current item: %(field)s") % {"field": rest} if rest else _("Current item")
    return rest if root == "vars" and rest else path
