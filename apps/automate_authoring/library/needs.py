"""Requirements of a template, and which of them this person can meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.contrib.auth.models import Group
from django.utils.translation import gettext as _

from automate_authoring.library.files import ModelUse, Template, missing_actions
from automate_connectors.model_allowlist import allowed_models
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_core.models import WebhookEndpoint
from automate_core.triggers.model_registry import view_permission, watched_models
from automate_core.webhooks.schemes.registry import SCHEMES
from automate_governance.people.labels import group_label
from automate_governance.permissions import Person, permitted
from automate_governance.texts import translated
from automate_plugins.registry import PluginNotFoundError

#: Connectors that reach any service: a connection of theirs says nothing about which one it reaches.
ANY_SERVICE = {"http", "sql"}


@dataclass(frozen=True, kw_only=True)
class Need:
    """A requirement of a workflow. `choices` meet it, as (slug, name); `why` says what is missing.

    `of` is the code of the connector or scheme, or the name of the group that the template has.
    """

    kind: Literal["connection", "endpoint", "model", "group", "action"]
    name: str
    title: str
    of: str = ""
    use: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    why: str = ""

    @property
    def is_met(self) -> bool:
        """Whether the person has what this need asks for."""
        return not self.why

    @property
    def chosen(self) -> str:
        """The choice to begin with: the one of the template's own name, else the only one."""
        slugs = [slug for slug, _ in self.choices]
        wish = self.of if self.kind == "group" else self.name
        if wish in slugs:
            return wish
        return slugs[0] if len(slugs) == 1 and self.of not in ANY_SERVICE else ""


@dataclass(frozen=True)
class Available:
    """Objects of the site that a person may use: (connector or scheme, slug, name) of each, and group names."""

    person: Person
    connections: list[tuple[str, str, str]]
    endpoints: list[tuple[str, str]]
    groups: list[str]


def load_available(person: Person) -> Available:
    """Load the objects that `person` may use. Three queries, for any number of templates."""
    usable = permitted(person, "use", Connection.objects.order_by("name", "pk"))
    readable = permitted(person, "view_payload", WebhookEndpoint.objects.filter(enabled=True).order_by("slug"))
    return Available(
        person,
        list(usable.values_list("connector", "slug", "name")),
        list(readable.values_list("scheme", "slug")),
        list(Group.objects.order_by("name").values_list("name", flat=True)),
    )


def find_needs(template: Template, found: Available) -> list[Need]:
    """All needs of `template`."""
    return [
        *_actions(template),
        *_connections(template, found),
        *_endpoints(template, found),
        *_models(template, found.person),
        *_groups(template, found),
    ]


def _actions(template: Template) -> Iterator[Need]:
    for action in missing_actions(template):
        why = _("No installed connector has this action.")
        yield Need(kind="action", name=action, title=_("Action %(name)s") % {"name": action}, why=why)


def _connections(template: Template, found: Available) -> Iterator[Need]:
    kinds = template.connectors
    for slug, use in template.needs.connections.items():
        choices = tuple((each, name) for connector, each, name in found.connections if connector == kinds[slug])
        try:
            title = translated(connectors.get(kinds[slug]).name)
        except PluginNotFoundError:
            continue  # its actions are reported as missing
        why = "" if choices else _("You have no connection of this kind yet.")
        if choices and kinds[slug] in ANY_SERVICE and slug not in {each for each, _name in choices}:
            why = _("Choose the connection to this service, or connect it.")
        yield Need(kind="connection", name=slug, title=title, of=kinds[slug], use=use, choices=choices, why=why)


def _endpoints(template: Template, found: Available) -> Iterator[Need]:
    for slug, endpoint in template.needs.endpoints.items():
        choices = tuple((each, each) for scheme, each in found.endpoints if scheme == endpoint.scheme)
        title = _("Webhook: %(scheme)s") % {"scheme": translated(SCHEMES[endpoint.scheme].name)}
        why = "" if choices else _("You have no webhook with this signature scheme yet.")
        yield Need(
            kind="endpoint", name=slug, title=title, of=endpoint.scheme, use=endpoint.sends, choices=choices, why=why
        )


def _models(template: Template, person: Person) -> Iterator[Need]:
    for label, use in template.needs.models.items():
        yield Need(
            kind="model",
            name=label,
            title=_("Model %(name)s") % {"name": label},
            use=_model_use(use),
            why=_unseen(label, use, person),
        )


def _model_use(use: ModelUse) -> str:
    parts = [
        (_("Watches changes of: %(fields)s"), use.watch),
        (_("Reads: %(fields)s"), use.read),
        (_("Writes: %(fields)s"), use.write),
    ]
    return ". ".join(message % {"fields": ", ".join(names)} for message, names in parts if names)


def _unseen(label: str, use: ModelUse, person: Person) -> str:
    """Fields that the settings or the person's permissions withhold from workflows."""
    if use.watch:
        fields = {entry.label: {each.name for each in entry.fields} for entry in watched_models()}
        if missing := sorted(set(use.watch) - fields.get(label.lower(), set())):
            return _(
                "The setting AUTOMATE_MODEL_TRIGGERS does not list these fields of %(model)s: %(fields)s."
                " Ask an administrator to add them."
            ) % {
                "model": label,
                "fields": ", ".join(missing),
            }
        if not person.has_perm(view_permission(label)):
            return _("You need the View permission for %(model)s.") % {"model": label}
    entry = allowed_models().get(label.lower())
    readable, writable = (set(entry.read), set(entry.write)) if entry else (set(), set())
    missing = sorted((set(use.read) - readable) | (set(use.write) - writable))
    if not missing:
        return ""
    return _(
        "The setting AUTOMATE_MODELS does not list these fields of %(model)s: %(fields)s."
        " Ask an administrator to add them."
    ) % {
        "model": label,
        "fields": ", ".join(missing),
    }


def _groups(template: Template, found: Available) -> Iterator[Need]:
    for name, setting in template.settings.items():
        if setting.kind == "group":
            given = str(template.definition.vars[name])
            missing = _("The group %(name)s does not exist. Choose another, or ask an administrator to create it.")
            why = "" if given in found.groups else missing % {"name": group_label(given)}
            choices = tuple((each, group_label(each)) for each in found.groups)
            title = translated(setting.label)
            yield Need(kind="group", name=name, title=title, of=given, use=setting.help, choices=choices, why=why)
