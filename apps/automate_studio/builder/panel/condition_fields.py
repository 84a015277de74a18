"""The fields that the rows of a condition choose from: what people call them, the event's payload first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from automate_core.definition.step_names import title_of_key

_ORDER = ("event.payload.", "steps.", "item", "vars.", "event.payload")


@dataclass(frozen=True)
class FieldOption:
    """A field: its path, what people call it, and its value in the sample."""

    path: str
    label: str
    value: str = ""


def field_options(found: Iterable[tuple[str, str]], steps: Mapping[str, str]) -> list[FieldOption]:
    """The fields with their labels; `steps` are the labels of steps by key. What describes an event stands last."""
    options = [FieldOption(path, field_label(path, steps), value) for path, value in found]
    return sorted(options, key=lambda option: _place(option.path))


def _place(path: str) -> int:
    return next((place for place, begin in enumerate(_ORDER) if path.startswith(begin)), len(_ORDER))


def field_label(path: str, steps: Mapping[str, str]) -> str:
    """`Order total: items.0.total` for `steps.total.output.items.0.total`, `amount` for `event.payload.amount`."""
    root, _dot, rest = path.partition(".")
    first, _dot, inner = rest.partition(".")
    if root == "steps":
        step, field = steps.get(first) or title_of_key(first), inner.removeprefix("output").removeprefix(".")
        return f"{step}: {field}" if field else step
    if root == "event" and first == "payload":
        return inner or _("Payload")
    if root == "event" and rest:
        return _("Event: %(field)s") % {"field": rest}
    return rest if root == "vars" and rest else path
