"""What the builder offers for the inputs of the actions: models, and the fields that their relations lead to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import models
from django.utils.translation import gettext

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.models import rights
from automate_connectors.adapters.models.lookups import is_text
from automate_connectors.model_allowlist import AllowedModel, Field, Relation, allowed_models
from automate_governance.texts import translated
from automate_plugins import text

OFFERED_HOPS = 2  #: relations in the names that are offered; longer ones can be typed

type Choices = list[tuple[str, str]]

#: The words for types of fields; the first class that fits counts.
_TYPES: tuple[tuple[type[models.Field[Any, Any]], str], ...] = (
    (models.ForeignKey, text("key")),
    (models.BooleanField, text("yes or no")),
    (models.DateTimeField, text("date and time")),
    (models.DateField, text("date")),
    (models.TimeField, text("time of day")),
    (models.DurationField, text("duration")),
    (models.IntegerField, text("whole number")),
    (models.FloatField, text("number")),
    (models.DecimalField, text("number")),
    (models.CharField, text("text")),
    (models.TextField, text("text")),
    (models.JSONField, text("JSON")),
)


@dataclass(frozen=True)
class Offers:
    """The choices of one request. What the person may not view is not among them."""

    user: Any
    _viewable: dict[type[models.Model], bool] = field(default_factory=dict)

    def allowed(self) -> Choices:
        """The models of the allow-list."""
        return [
            (entry.label, str(entry.model._meta.verbose_name).capitalize())
            for entry in allowed_models().values()
            if self._may_view(entry.model)
        ]

    def of_model(self, name: str, chosen: Any) -> Choices:
        """The choices of that name for the chosen model. Raises ConnectorError without such a model."""
        entry = allowed_models().get(chosen.lower()) if isinstance(chosen, str) else None
        if entry is None or not self._may_view(entry.model):
            raise ConnectorError(text("Select a model first."), code="invalid_input")
        match name:
            case "writable":
                return self._writable(entry)
            case "links":
                return [(each, link.title.capitalize()) for each, link in entry.links.items()]
            case "order":
                return [each for choice in self._values(entry) for each in _both_ways(*choice)]
            case "columns":
                return [_key_choice(), *((at, _label(column)) for at, column in entry.read.items())]
            case "values":
                return [_key_choice(), *self._values(entry)]
            case "searched":
                return self._searched(entry)
        return [_key_choice(), *((at, label) for at, label, _ in self._fields(entry, OFFERED_HOPS, many=True))]

    def _writable(self, entry: AllowedModel) -> Choices:
        """The writable columns, and lookups by the texts of the rows that they refer to."""
        found = [(name, _label(each)) for name, each in entry.write.items()]
        for name, each in entry.write.items():
            other = self._viewable_entry(each.related_model) if isinstance(each, models.ForeignKey) else None
            texts = other.read.items() if other else ()
            found += [(f"{name}__{at}", _below(_title(each), _label(leaf))) for at, leaf in texts if is_text(leaf)]
        return found

    def _values(self, entry: AllowedModel) -> Choices:
        return [(at, label) for at, label, _ in self._fields(entry, OFFERED_HOPS, many=False)]

    def _searched(self, entry: AllowedModel) -> Choices:
        fields = self._fields(entry, OFFERED_HOPS, many=True)
        found = {at: label for at, label, leaf in fields if leaf is not None and is_text(leaf)}
        return [(at, found.get(at, at)) for at in entry.search or found]

    def _fields(self, entry: AllowedModel, hops: int, *, many: bool) -> Iterator[tuple[str, str, Field | None]]:
        """Name, label and field of what can be read: the columns first, then what is behind each relation.

        A relation to several rows is itself among them, without a field; `many` says whether there are such.
        """
        for name, column in entry.read.items():
            yield name, _label(column), column
        for name, relation in entry.relations.items():
            other = self._viewable_entry(relation.model)
            if other is None or (relation.many and not many):
                continue
            title = _relation_title(entry, relation)
            if name not in entry.read:
                yield name, title, None
            if hops:
                for at, label, leaf in self._fields(other, hops - 1, many=many):
                    yield f"{name}__{at}", _below(title, label), leaf

    def _viewable_entry(self, model: Any) -> AllowedModel | None:
        entry = allowed_models().get(model._meta.label_lower)
        return entry if entry is not None and self._may_view(entry.model) else None

    def _may_view(self, model: type[models.Model]) -> bool:
        if model not in self._viewable:
            self._viewable[model] = rights.may_view(self.user, model)
        return self._viewable[model]


def _key_choice() -> tuple[str, str]:
    return "pk", gettext("Primary key")


def _both_ways(name: str, label: str) -> Choices:
    return [(name, label), (f"-{name}", gettext("%(field)s, descending") % {"field": label})]


def _title(column: Field) -> str:
    return str(column.verbose_name).capitalize()


def _relation_title(entry: AllowedModel, relation: Relation) -> str:
    column = entry.read.get(relation.name)
    return _title(column) if column else relation.title.capitalize()


def _label(column: Field) -> str:
    kind = next((words for kind, words in _TYPES if isinstance(column, kind)), "")
    if not kind:
        return _title(column)
    return gettext("%(field)s (%(type)s)") % {"field": _title(column), "type": translated(kind)}


def _below(title: str, label: str) -> str:
    return f"{title} / {label}"
