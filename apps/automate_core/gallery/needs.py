"""What a template needs, and what of it is there for the person who asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.contrib.auth.models import Group

from automate_connectors.exposed import exposed
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_core.gallery.files import ModelUse, Template, missing_connectors
from automate_core.models import WebhookEndpoint
from automate_core.watched import view_permission, watched
from automate_core.webhooks.schemes import SCHEMES
from automate_governance.permissions import Person, permitted
from automate_plugins.registry import PluginNotFoundError


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that a workflow needs. `choices` are what would do, as (slug, name); `why` says what is not there."""

    kind: Literal["connection", "endpoint", "model", "group", "plugin"]
    name: str
    title: str
    of: str = ""
    use: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    why: str = ""

    @property
    def there(self) -> bool:
        """Whether it is there."""
        return not self.why

    @property
    def chosen(self) -> str:
        """The choice to begin with: the one of that very name, else the only one."""
        slugs = [slug for slug, _ in self.choices]
        return self.name if self.name in slugs else slugs[0] if len(slugs) == 1 else ""


def of(template: Template, person: Person) -> list[Need]:
    """All needs of `template`, each looked for among what `person` may use. At most three queries."""
    return [
        *_plugins(template),
        *_connections(template, person),
        *_endpoints(template, person),
        *_models(template, person),
        *_groups(template),
    ]


def _plugins(template: Template) -> Iterator[Need]:
    for action in missing_connectors(template):
        why = "No installed connector has this action."
        yield Need(kind="plugin", name=action, title=f"Action {action}", why=why)


def _connections(template: Template, person: Person) -> Iterator[Need]:
    kinds = template.connectors
    rows = Connection.objects.filter(connector__in=set(kinds.values())) if kinds else Connection.objects.none()
    there = list(permitted(person, "use", rows).order_by("name", "pk").values_list("connector", "slug", "name"))
    for slug, use in template.needs.connections.items():
        choices = tuple((each, name) for connector, each, name in there if connector == kinds[slug])
        try:
            title = connectors.get(kinds[slug]).name
        except PluginNotFoundError:
            continue  # told already
        why = "" if choices else "You have no connection of this kind yet."
        yield Need(kind="connection", name=slug, title=title, of=kinds[slug], use=use, choices=choices, why=why)


def _endpoints(template: Template, person: Person) -> Iterator[Need]:
    wanted = template.needs.endpoints
    rows = WebhookEndpoint.objects.filter(scheme__in={each.scheme for each in wanted.values()}, enabled=True)
    there = list(permitted(person, "view_payload", rows).order_by("slug").values_list("scheme", "slug"))
    for slug, endpoint in wanted.items():
        choices = tuple((each, each) for scheme, each in there if scheme == endpoint.scheme)
        title = f"Webhook of {SCHEMES[endpoint.scheme].name}"
        why = "" if choices else "There is no webhook of this scheme yet whose deliveries you may read."
        yield Need(
            kind="endpoint", name=slug, title=title, of=endpoint.scheme, use=endpoint.sends, choices=choices, why=why
        )


def _models(template: Template, person: Person) -> Iterator[Need]:
    for label, use in template.needs.models.items():
        yield Need(kind="model", name=label, title=f"Model {label}", use=_said(use), why=_unseen(label, use, person))


def _said(use: ModelUse) -> str:
    parts = [("Starts at changes of", use.watch), ("reads", use.read), ("writes", use.write)]
    text = "; ".join(f"{verb} {', '.join(names)}" for verb, names in parts if names)
    return text[:1].upper() + text[1:]


def _unseen(label: str, use: ModelUse, person: Person) -> str:
    """What the settings or the person's permissions keep from workflows."""
    if use.watch:
        fields = {entry.label: {each.name for each in entry.fields} for entry in watched()}
        if missing := sorted(set(use.watch) - fields.get(label.lower(), set())):
            return f"AUTOMATE_MODEL_TRIGGERS does not list {', '.join(missing)} of {label}."
        if not person.has_perm(view_permission(label)):
            return f"You may not view {label}."
    entry = exposed().get(label.lower())
    readable, writable = (set(entry.read), set(entry.write)) if entry else (set(), set())
    missing = sorted({*use.read} - readable | {*use.write} - writable)
    return f"AUTOMATE_MODELS does not list {', '.join(missing)} of {label}." if missing else ""


def _groups(template: Template) -> Iterator[Need]:
    wanted = [name for name, setting in template.settings.items() if setting.kind == "group"]
    there = [(name, name) for name in Group.objects.order_by("name").values_list("name", flat=True)] if wanted else []
    for name in wanted:
        given = str(template.definition.vars[name])
        known = given in {each for each, _ in there}
        setting = template.settings[name]
        why = "" if known else f"There is no group {given} yet: choose another, or have it made."
        yield Need(kind="group", name=name, title=setting.label, of=given, use=setting.help, choices=(*there,), why=why)
