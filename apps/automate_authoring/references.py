"""References between objects: endpoints of a secret, workflows of an endpoint or connection, notification rules.

Each finder takes many objects at once and costs a fixed number of queries.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from django.db.models import Q
from django.db.models.fields.json import KT
from django.utils import timezone

from automate_connectors.models import Connection
from automate_connectors.stored.models import DeclaredConnector
from automate_core import database
from automate_core.models import ActiveTrigger, NotificationRule, Step, Trigger, WebhookEndpoint, Workflow
from automate_governance.models import StoredSecret
from automate_governance.permissions import SITE, User, can, permitted

_PUBLISHED_STEPS = """
SELECT DISTINCT workflow.id AS workflow, step ->> 'connection' AS slug
FROM automate_core_workflow workflow
JOIN automate_core_workflowversion version ON version.id = workflow.published_id
CROSS JOIN LATERAL jsonb_path_query(
    version.definition::jsonb,
    'strict $.** ? (exists(@.key) && (exists(@.action) || exists(@.poll) || exists(@.webhook)) && exists(@.connection))'
) AS step
WHERE step ->> 'connection' = ANY(%(slugs)s)
"""

_PUBLISHED_CONNECTORS = """
SELECT DISTINCT workflow.id AS workflow, used.code
FROM automate_core_workflow workflow
JOIN automate_core_workflowversion version ON version.id = workflow.published_id
CROSS JOIN LATERAL jsonb_path_query(
    version.definition::jsonb,
    'strict $.** ? (exists(@.key) && (exists(@.action) || exists(@.poll) || exists(@.webhook)))'
) AS step
CROSS JOIN LATERAL (
    SELECT split_part(coalesce(step ->> 'action', step ->> 'poll', step ->> 'webhook'), '.', 1) AS code
) AS used
WHERE used.code = ANY(%(codes)s)
"""

_PUBLISHED_SECRETS = """
SELECT DISTINCT workflow.id AS workflow, step ->> 'secret' AS secret
FROM automate_core_workflow workflow
JOIN automate_core_workflowversion version ON version.id = workflow.published_id
CROSS JOIN LATERAL jsonb_path_query(
    version.definition::jsonb, 'strict $.** ? (exists(@.key) && exists(@.scheme) && exists(@.secret))'
) AS step
WHERE step ->> 'secret' = ANY(%(references)s)
"""

_PUBLISHED_CALLS = """
SELECT DISTINCT workflow.id AS workflow, step ->> 'workflow' AS slug
FROM automate_core_workflow workflow
JOIN automate_core_workflowversion version ON version.id = workflow.published_id
CROSS JOIN LATERAL jsonb_path_query(
    version.definition::jsonb, 'strict $.** ? (exists(@.key) && exists(@.workflow))'
) AS step
WHERE step ->> 'workflow' = ANY(%(slugs)s)
"""


def workflows_of_connectors(found: Sequence[DeclaredConnector]) -> Iterator[tuple[int, Workflow]]:
    """(key of the connector, workflow) for each published workflow with a step or trigger of it."""
    by_code = {connector.code: connector.pk for connector in found}
    rows = database.run(None, _PUBLISHED_CONNECTORS, {"codes": list(by_code)})
    workflows = Workflow.objects.in_bulk({row.workflow for row in rows})
    for row in rows:
        if row.workflow in workflows:
            yield by_code[row.code], workflows[row.workflow]


def callers_of_workflows(workflows: Sequence[Workflow]) -> Iterator[tuple[int, Workflow]]:
    """(key of the workflow, caller) for each published workflow that calls it or waits for its runs to end."""
    by_slug = {workflow.slug: workflow.pk for workflow in workflows}
    found = database.run(None, _PUBLISHED_CALLS, {"slugs": list(by_slug)})
    callers = Workflow.objects.in_bulk([row.workflow for row in found])
    for row in found:
        if row.workflow in callers:
            yield by_slug[row.slug], callers[row.workflow]


def endpoints_of_secrets(secrets: Sequence[StoredSecret]) -> Iterator[tuple[int, WebhookEndpoint]]:
    """(key of the secret, endpoint) for each endpoint that verifies with it."""
    by_reference = {secret.reference: secret.pk for secret in secrets}
    old = Q(old_secret__in=by_reference, old_secret_until__gt=timezone.now())
    for endpoint in WebhookEndpoint.objects.filter(Q(secret__in=by_reference) | old):
        names = {endpoint.secret, *([endpoint.old_secret] if endpoint.has_old_secret else [])}
        for reference in names & by_reference.keys():
            yield by_reference[reference], endpoint


def workflows_of_endpoints(endpoints: Sequence[WebhookEndpoint]) -> Iterator[tuple[int, Workflow]]:
    """(key of the endpoint, workflow) for each workflow that its deliveries start."""
    by_source = {endpoint.source: endpoint.pk for endpoint in endpoints}
    for trigger in ActiveTrigger.objects.filter(source__in=by_source).select_related("workflow"):
        yield by_source[trigger.source], trigger.workflow


def workflows_of_connections(connections: Sequence[Connection]) -> Iterator[tuple[int, Workflow]]:
    """(key of the connection, workflow) for each workflow with a step or trigger of it, in the draft or published."""
    by_slug = {connection.slug: connection.pk for connection in connections}
    drafts = Step.objects.filter(connection__in=by_slug).values_list("workflow", "connection")
    pairs = set(drafts.order_by().distinct())
    by_connector = Trigger.objects.filter(kind__in=[Trigger.Kind.POLL, Trigger.Kind.SERVICE])
    by_connector = by_connector.annotate(slug=KT("config__connection"))
    pairs |= set(by_connector.filter(slug__in=by_slug).order_by().values_list("workflow", "slug"))
    published = database.run(None, _PUBLISHED_STEPS, {"slugs": list(by_slug)})
    pairs |= {(row.workflow, row.slug) for row in published}
    workflows = Workflow.objects.in_bulk({workflow for workflow, _ in pairs})
    for workflow, slug in pairs:
        if workflow in workflows:
            yield by_slug[slug], workflows[workflow]


def workflows_of_secrets(secrets: Sequence[StoredSecret]) -> Iterator[tuple[int, Workflow]]:
    """(key of the secret, workflow) for each workflow that verifies callbacks with it, in the draft or in what is
    published."""
    by_reference = {secret.reference: secret.pk for secret in secrets}
    drafts = Step.objects.filter(kind="wait").annotate(secret=KT("settings__secret")).filter(secret__in=by_reference)
    pairs = set(drafts.order_by().values_list("workflow", "secret").distinct())
    published = database.run(None, _PUBLISHED_SECRETS, {"references": list(by_reference)})
    pairs |= {(row.workflow, row.secret) for row in published}
    workflows = Workflow.objects.in_bulk({workflow for workflow, _ in pairs})
    for workflow, reference in pairs:
        if workflow in workflows:
            yield by_reference[reference], workflows[workflow]


def rules_of_connections(connections: Sequence[Connection]) -> Iterator[tuple[int, NotificationRule]]:
    """(key of the connection, rule) for each notification rule that posts through it."""
    by_slug = {connection.slug: connection.pk for connection in connections}
    for rule in _rules(channel="slack", connection__in=by_slug):
        yield by_slug[rule.connection], rule


def rules_of_secrets(secrets: Sequence[StoredSecret]) -> Iterator[tuple[int, NotificationRule]]:
    """(key of the secret, rule) for each notification rule whose webhooks it signs, or whose channel needs it."""
    by_reference = {secret.reference: secret.pk for secret in secrets}
    for rule in _rules(~Q(config={})):
        yield from ((by_reference[each], rule) for each in _texts(rule.config) if each in by_reference)
    for rule in _rules(channel="webhook", secret__in=by_reference):
        yield by_reference[rule.secret], rule


def visible_rules(person: User, rules: Collection[NotificationRule]) -> Iterator[NotificationRule]:
    """Those of the rules that a person may view: one is as visible as its workflow, or for administrators alone."""
    watched = Workflow.objects.filter(pk__in={rule.workflow_id for rule in rules if rule.workflow_id})
    visible = set(permitted(person, "view", watched).values_list("pk", flat=True))
    administers = can(person, "administer", SITE)
    yield from (rule for rule in rules if (rule.workflow_id in visible if rule.workflow_id else administers))


def _texts(config: dict[str, object]) -> Iterator[str]:
    return (value for value in config.values() if isinstance(value, str))


def _rules(*conditions: Q, **which: object) -> Iterator[NotificationRule]:
    yield from NotificationRule.objects.filter(*conditions, removed_at=None, **which).select_related("workflow")
