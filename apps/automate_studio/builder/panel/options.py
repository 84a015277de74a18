"""Options of a panel's field, loaded when it is opened: from the connector or the site."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_authoring.drafts import commands, rows
from automate_authoring.drafts.connector_triggers import CONNECTOR_KINDS
from automate_authoring.drafts.values import Draft, StepNode
from automate_authoring.run_as import may_choose
from automate_connectors import field_options
from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.field_options import FieldOptions
from automate_connectors.models import Connection
from automate_connectors.registry import find_action
from automate_core.definition.step_paths import START
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import compile_value
from automate_core.models import Workflow
from automate_governance import sharing
from automate_governance.people import names as people
from automate_governance.people.labels import group_label
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, permitted
from automate_governance.texts import translated
from automate_plugins.fields import FieldSpec
from automate_studio.builder.panel import fields as builder_fields
from automate_studio.builder.panel.steps import SETTINGS, step_at, step_field_specs
from automate_studio.builder.triggers.connector_form import find_described, input_specs
from automate_studio.samples.samples import Sample, sample_for_step
from automate_ui.formatting import as_sentence
from automate_ui.navigation.http import current_person
from automate_ui.request_params import get_editable_workflow

type Options = Iterable[tuple[str, str]]
_HELP = {"no_models": "connectors/models"}  #: pages of the help by the code of why there are no options


@require_POST
def step_options(request: HttpRequest, pk: int, path: str) -> HttpResponse:
    """Options of the requested field, or why there are none, with a retry."""
    workflow, person = get_editable_workflow(request, pk), current_person(request)
    draft = rows.load_draft(workflow)
    found, problem, is_of_people = FieldOptions([]), "", False
    try:
        if path == START:
            found = _trigger_options(draft, request.POST.get("field", ""), person)
        else:
            spec = _option_spec(draft, path, request.POST.get("field", ""), person)
            is_of_people = spec.options == "people"
            node = step_at(draft, path)
            if node is not None and request.POST["field"].startswith("inputs."):
                found = _step_options(workflow, node, spec, person)
            else:
                found = FieldOptions(list(_OWN[spec.options](workflow, person)))
    except NotPermittedError as error:
        raise PermissionDenied from error
    except ConnectorError as error:
        problem = as_sentence(error.message)
    topic = _HELP.get(found.code, "")
    context: dict[str, Any] = {
        "options": found.options,
        "problem": problem,
        "note": translated(found.note),
        "topic": topic,
        "is_of_people": is_of_people,
    }
    return TemplateResponse(request, "automate_studio/builder/options.html", context)


def _option_spec(draft: Draft, path: str, field: str, person: Person) -> FieldSpec:
    """The field of that name, `inputs.where::field` for a column, if it has options. Raises Http404."""
    name, _separator, column = field.partition("::")
    node = step_at(draft, path)
    if node is not None:
        known = {f"{prefix}{spec.name}": spec for fields, _values, prefix in step_field_specs(node) for spec in fields}
    elif path == SETTINGS:
        known = {spec.name: spec for spec in builder_fields.SETTINGS_FIELDS}
    else:
        raise Http404
    found = known.get(name)
    if found is not None and found.columns:
        found = next((spec for spec in found.columns if spec.name == column), None)
    if found is None or not found.options:
        raise Http404
    return found


def _step_options(workflow: Workflow, node: StepNode, spec: FieldSpec, person: Person) -> FieldOptions:
    """Options from the step's connector. Raises ConnectorError and NotPermittedError."""
    try:
        adapter, _action = find_action(node.action)
    except LookupError as error:
        raise ConnectorError(str(error), code="not_installed") from error
    inputs = node.inputs if adapter.takes_connection else _inputs_on_sample(workflow, node, person)
    return _connector_options(adapter, node.connection, spec, inputs, person)


def _inputs_on_sample(workflow: Workflow, node: StepNode, person: Person) -> dict[str, Any]:
    """The inputs with the values that their expressions have on the sample, where there is one."""
    sample = sample_for_step(commands.load_state(workflow), node, person)
    found = dict(node.inputs)
    if not isinstance(sample, Sample):
        return found
    for name, value in node.inputs.items():
        try:
            found[name] = compile_value(value).render(sample.scope)
        except TemplateError:
            continue  # its own field says so
    return found


def _trigger_options(draft: Draft, field: str, person: Person) -> FieldOptions:
    """Options of `KEY.inputs.NAME` from the connector of a trigger. Raises as `_step_options`, and Http404."""
    key, _separator, name = field.partition(".inputs.")
    trigger = draft.triggers.get(key)
    adapter, _described = find_described(trigger) if trigger and trigger.kind in CONNECTOR_KINDS else (None, None)
    spec = next((spec for spec in input_specs(trigger) if spec.name == name), None) if trigger else None
    if trigger is None or adapter is None or spec is None or not spec.options:
        raise Http404
    inputs = dict(trigger.config.get("inputs") or {})
    return _connector_options(adapter, str(trigger.config.get("connection", "")), spec, inputs, person)


def _connector_options(
    adapter: ConnectorAdapter, slug: str, spec: FieldSpec, inputs: dict[str, Any], person: Person
) -> FieldOptions:
    """Options by a connection that the person may use. Raises ConnectorError and NotPermittedError."""
    connection = None
    if adapter.takes_connection:
        usable = permitted(person, "use", Connection.objects.filter(connector=adapter.code))
        connection = usable.filter(slug=slug).first()
        if connection is None:
            raise ConnectorError(_("First choose a connection that you can use."), code="no_connection")
    return field_options.list_field_options(adapter, connection, spec.options, inputs, person)


# --- what the site itself knows ---------------------------------------------------------------------------------------


def _people_options(workflow: Workflow, person: Person) -> Options:
    """Active people that the person may know of, by user name."""
    shows_email = people.may_view_all(person)
    return [_person_option(each, shows_email=shows_email) for each in _known_people(workflow, person)]


def _known_people(workflow: Workflow, person: Person) -> Iterable[Person]:
    themselves = people.active_people([sign_in_name(person)])
    known: Iterable[Person] = (sharing.known_people(person, workflow) | themselves)[: sharing.MAX_PEOPLE]
    return known


def _person_option(person: Any, *, shows_email: bool = False) -> tuple[str, str]:
    """(user name, name), with the email address, by which the list is searched too, for those who may see it."""
    name, email = people.display_name(person), people.email_of(person) if shows_email else ""
    return sign_in_name(person), f"{name} · {email}" if email else name


def _group_options(workflow: Workflow, person: Person) -> Options:
    """Groups that the person may know of."""
    known = sharing.known_groups(person).values_list("name", flat=True)[: sharing.MAX_PEOPLE]
    granted = [grant.name for grant in sharing.list_grants(workflow) if grant.kind == "group"]
    return [(name, group_label(name)) for name in sorted({*known, *granted})]


def _run_as_options(workflow: Workflow, person: Person) -> Options:
    """Those of the people that the person may choose: superusers anyone, others themselves."""
    return [_person_option(each) for each in _known_people(workflow, person) if may_choose(person, each.pk)]


def _workflow_options(workflow: Workflow, person: Person) -> Options:
    """Other workflows that are published."""
    known = permitted(person, "view", Workflow.objects.exclude(pk=workflow.pk).exclude(published=None))
    return list(known.order_by("name").values_list("slug", "name")[: field_options.MAX_OPTIONS])


def _time_zone_options(workflow: Workflow, person: Person) -> Options:
    names = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
    return [(name, name.replace("_", " ")) for name in ("UTC", *names)]


_OWN: dict[str, Callable[[Workflow, Person], Options]] = {
    "people": _people_options,
    "groups": _group_options,
    "run_as": _run_as_options,
    "workflows": _workflow_options,
    "time_zones": _time_zone_options,
}
