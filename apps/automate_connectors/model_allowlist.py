"""The allow-list of the host's models for workflows: the setting AUTOMATE_MODELS, read and checked.

    AUTOMATE_MODELS = {
        "shop.Order": {"read": ["number", "customer", "tags"], "write": ["status", "tags"], "delete": False},
        "shop.Customer": {"read": ["name", "country"], "search": ["name"]},
        "shop.Tag": {"read": ["label"]},
    }

Workflows can neither show, search nor sort by other fields, even when they run as a superuser. The primary key may
always be read, under the name `pk`. A relation is followed where its model lists it and the model that it leads to is
listed as well: `customer__country`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import FieldDoesNotExist
from django.core.signals import setting_changed
from django.db import DEFAULT_DB_ALIAS, models, router

from automate_governance import sensitive

_OPTIONS = {"read", "write", "delete", "search"}
_OWN = "automate_"

type Field = models.Field[Any, Any]
type ForeignKey = models.ForeignKey[Any, Any]


class AllowlistError(ValueError):
    """An invalid entry of the setting; the message says what to fix."""


@dataclass(frozen=True)
class Relation:
    """A way from the rows of a model to those of another one; `accessor` is its attribute of a row."""

    name: str
    model: type[models.Model]
    many: bool
    accessor: str

    @property
    def title(self) -> str:
        """The name of what it leads to, for people."""
        meta = self.model._meta
        return str(meta.verbose_name_plural if self.many else meta.verbose_name)


@dataclass(frozen=True)
class AllowedModel:
    """A model with its readable and writable columns by name, and whether its rows may be deleted.

    `relations` may be followed, `links` are many-to-many relations whose rows may be added and removed, and `search`
    names the fields that a text is searched in; empty means any text.
    """

    model: type[models.Model]
    read: Mapping[str, Field]
    write: Mapping[str, Field]
    delete: bool
    relations: Mapping[str, Relation]
    links: Mapping[str, Relation]
    search: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """`app.model`, in lower case."""
        return self.model._meta.label_lower


def split_name(name: str) -> tuple[str, str]:
    """Return the relation that a name begins with, and the rest; a name without one is returned with an empty rest."""
    head, _, rest = name.partition("__")
    return (head, rest) if head and rest else (name, "")


def allowed_models() -> dict[str, AllowedModel]:
    """Return the models of the setting by label; invalid entries are left to the system check."""
    return {entry.label: entry for entry in _entries() if isinstance(entry, AllowedModel)}


def check_allowlist(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """E001: an entry of AUTOMATE_MODELS names a missing model or field, or a model that is not the host's."""
    hint = 'Use entries such as "app.Model": {"read": ["name", ...], "write": ["name", ...], "delete": False}.'
    return [
        Error(f"AUTOMATE_MODELS: {entry}.", hint=hint, id="automate_connectors.E001")
        for entry in [*_entries(), *_unresolved_names()]
        if isinstance(entry, AllowlistError)
    ]


def check_sensitive_models(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """W003: an entry exposes secrets or permissions."""
    hint = "Remove it unless all workflow authors may access it. SILENCED_SYSTEM_CHECKS silences this warning."
    return [
        Warning(f"AUTOMATE_MODELS: {entry.model._meta.label} {why}.", hint=hint, id="automate_connectors.W003")
        for entry in allowed_models().values()
        if (why := sensitive.exposure_risk(entry.model, entry.read, {*entry.write, *entry.links}))
    ]


class _LastRead:
    """The entries of the setting as it was read last: actions ask for each row, and reading takes milliseconds."""

    written = ""
    entries: tuple[AllowedModel | AllowlistError, ...] = ()

    def forget(self, **_: Any) -> None:
        self.written = ""


_last_read = _LastRead()
setting_changed.connect(_last_read.forget)


def _entries() -> tuple[AllowedModel | AllowlistError, ...]:
    entries = getattr(settings, "AUTOMATE_MODELS", {})
    written = repr(entries)  # a mapping can be changed in its place
    if written != _last_read.written:
        _last_read.entries, _last_read.written = tuple(_read_all(entries)), written
    return _last_read.entries


def _read_all(entries: Any) -> Iterator[AllowedModel | AllowlistError]:
    if not isinstance(entries, Mapping):
        yield AllowlistError("the setting must be a mapping of models")
        return
    for label, options in entries.items():
        try:
            yield _read(label, options)
        except AllowlistError as error:
            yield error


def _read(label: Any, options: Any) -> AllowedModel:
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError, AttributeError, TypeError) as error:
        raise AllowlistError(f"the model {label!r} does not exist") from error
    if model._meta.app_label.startswith(_OWN):
        raise AllowlistError(f"{label} belongs to Django Automate; workflows cannot access it")
    if not isinstance(options, Mapping) or options.keys() - _OPTIONS:
        raise AllowlistError(f"the entry of {label} must be a mapping with only read, write, delete and search")
    if len(model._meta.pk_fields) != 1:
        raise AllowlistError(f"{label} must have a single primary key")
    if router.db_for_write(model) != DEFAULT_DB_ALIAS:
        raise AllowlistError(f"{label} is in another database; only models of the default database are supported")
    if not isinstance(options.get("delete", False), bool):
        raise AllowlistError(f"delete of {label} must be True or False")
    read, relations = _fields(model, options.get("read", ()))
    write, links = _fields(model, options.get("write", ()))
    for name, link in links.items():
        _check_link(model, name, link)
    return AllowedModel(
        model,
        read=read,
        write=write,
        delete=options.get("delete") is True,
        relations={**{name: found for name, field in read.items() if (found := _column_relation(field))}, **relations},
        links=links,
        search=tuple(_names(model, options.get("search", ()))),
    )


def _fields(model: type[models.Model], names: Any) -> tuple[dict[str, Field], dict[str, Relation]]:
    """Return the columns and the other relations of these names."""
    label, meta = model._meta.label, model._meta
    columns: dict[str, Field] = {}
    relations: dict[str, Relation] = {}
    for name in _names(model, names):
        try:
            field = meta.get_field(name)
        except (FieldDoesNotExist, TypeError) as error:
            raise AllowlistError(f"{label} has no field {name!r}") from error
        if isinstance(field, models.Field) and field in meta.concrete_fields:
            columns[field.name] = field
        elif relation := _relation(name, field):
            relations[name] = relation
        else:
            raise AllowlistError(f"{name} of {label} is neither a column nor a relation")
    return columns, relations


def _relation(name: str, field: Any) -> Relation | None:
    """Return the relation of a field that is no column of its model, if it is one that can be followed."""
    if isinstance(field, models.ManyToManyField):
        return Relation(name, field.related_model, many=True, accessor=name)
    if not isinstance(field, models.ManyToOneRel | models.ManyToManyRel) or field.hidden:
        return None
    many, accessor = not isinstance(field, models.OneToOneRel), field.get_accessor_name() or name
    return Relation(name, field.related_model, many, accessor) if field.related_model else None


def _names(model: type[models.Model], names: Any) -> list[Any]:
    if not isinstance(names, list | tuple):
        raise AllowlistError(f"the fields of {model._meta.label} must be lists of names")
    return list(names)


def _column_relation(field: Field) -> Relation | None:
    model = field.related_model if isinstance(field, models.ForeignKey) else None
    return Relation(field.name, model, many=False, accessor=field.name) if isinstance(model, type) else None


def _check_link(model: type[models.Model], name: str, link: Relation) -> None:
    """Raise AllowlistError unless rows can be added to the relation and removed from it."""
    label, field = model._meta.label, model._meta.get_field(name)
    relation = field.remote_field if isinstance(field, models.ManyToManyField) else field
    if not isinstance(relation, models.ManyToManyRel):
        raise AllowlistError(f"{name} of {label} cannot be written; list the column of {link.model._meta.label}")
    through = relation.through
    if through is None or not through._meta.auto_created:
        table = through._meta.label if through else "another model"
        raise AllowlistError(f"{name} of {label} cannot be written; its rows are those of {table}, list that model")


def _unresolved_names() -> Iterator[AllowlistError]:
    """Return what leads nowhere: relations to models that are not listed, and names to search that are no texts."""
    known = allowed_models()
    for entry in known.values():
        label = entry.model._meta.label
        for relation in {**entry.relations, **entry.links}.values():
            if relation.name not in entry.read and relation.model._meta.label_lower not in known:
                yield AllowlistError(
                    f"{relation.name} of {label} leads to {relation.model._meta.label}, which is not listed"
                )
        for name in entry.search:
            if not _is_searchable(entry, name, known):
                yield AllowlistError(f"{name!r} of {label} cannot be searched; it must be a readable text field")


def _is_searchable(entry: AllowedModel, name: Any, known: Mapping[str, AllowedModel]) -> bool:
    head, rest = split_name(name) if isinstance(name, str) else ("", "")
    if not rest:
        return isinstance(entry.read.get(head), models.CharField | models.TextField)
    relation = entry.relations.get(head)
    other = known.get(relation.model._meta.label_lower) if relation else None
    return other is not None and _is_searchable(other, rest, known)
