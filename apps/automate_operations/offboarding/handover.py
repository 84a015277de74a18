"""Handover of a person's objects to another, in one transaction; the account may be deactivated with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import translation

from automate_authoring import usability
from automate_connectors.models import Connection
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.models import Workflow, WorkflowVersion
from automate_governance import audit
from automate_governance.models import StoredSecret
from automate_governance.people import names
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import SITE, NotPermittedError, Person, can, holds_anywhere
from automate_governance.roles import BUILDERS
from automate_operations.offboarding import holdings, tasks
from automate_operations.queries.run_as_history import HANDED_OVER
from automate_plugins import ntext, text
from automate_plugins.errors import AutomateError
from automate_plugins.texts import joined, marked, verbatim


class HandoverError(AutomateError, ValueError):
    """An impossible handover; the message says why. Nothing was changed."""


@dataclass
class Handover:
    """The number of objects of each kind that were handed over, and a sentence for each that was not.

    `phrases` name these numbers for people: "2 workflows". `open_runs` are those in progress that go on as the other.
    """

    done: dict[str, int] = field(default_factory=dict)
    phrases: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    cautions: list[str] = field(default_factory=list)
    is_deactivated: bool = False
    open_runs: int = 0

    @property
    def number(self) -> int:
        """The number of objects that were handed over."""
        return sum(self.done.values())


@transaction.atomic
@translation.override(None)  # kinds in the audit trail are the same in every language
def hand_over(leaver: Person, to: Person, *, by: Person, deactivate: bool = False) -> Handover:
    """Make `to` owner, run-as user and approver in place of `leaver`, audited on each object.

    What `to` may not act for, or may not decide, stays and is named in `left`; then the account is not deactivated.
    Raises HandoverError.
    """
    _check(leaver, to, by, deactivate)
    result = Handover()
    stopped = list(holdings.workflows_stopped_for_owner(leaver).values_list("pk", flat=True))  # while it is the owner
    for model in holdings.governed_models():
        kind, kinds = str(model._meta.verbose_name), str(model._meta.verbose_name_plural)
        number = _hand_over_owned(model, leaver, to, by)
        _count(
            result, kinds, number, text("%(count)s %(kind)s", count=number, kind=marked(kind if number == 1 else kinds))
        )
        verb = "replace" if model is StoredSecret else "change"
        if result.done.get(kinds) and not holds_anywhere(to, verb, model):
            result.cautions.append(_missing_permission(to, model, kinds))
    number = _hand_over_run_as(leaver, to, by, result, stopped)
    phrase = ntext(
        "%(count)s workflow that runs as %(person)s",
        "%(count)s workflows that run as %(person)s",
        number,
        person=sign_in_name(leaver),
    )
    _count(result, text("run-as users"), number, phrase)
    number = _hand_over_rules(leaver, to, by)
    _count(
        result,
        text("notification rules"),
        number,
        ntext("%(count)s notification rule", "%(count)s notification rules", number),
    )
    number = _hand_over_drafts(leaver, to, by, result)
    _count(
        result,
        text("drafts of connectors"),
        number,
        ntext("%(count)s draft of a connector", "%(count)s drafts of connectors", number),
    )
    approvals = tasks.hand_over_approvals(leaver, by=by, users=[to])
    number = approvals.done
    _count(result, text("open approvals"), number, ntext("%(count)s open approval", "%(count)s open approvals", number))
    result.left += [joined([verbatim(name), why], ": ") for name, why in approvals.refused]
    result.cautions += [
        text(
            "An approval of the workflow %(workflow)s names %(person)s. Change the approval and publish the workflow.",
            workflow=str(workflow),
            person=sign_in_name(leaver),
        )
        for workflow in holdings.workflows_naming(leaver)
    ]
    if deactivate and not result.left:
        leaver.is_active = False
        leaver.save(update_fields=["is_active"])
        result.is_deactivated = True
    changes = {"to": sign_in_name(to), "left": len(result.left), **result.done}
    audit.record(by, "user.handed_over", leaver, changes=changes)
    return result


def preview_hand_over(leaver: Person, to: Person, *, by: Person, deactivate: bool = False) -> Handover:
    """The result that `hand_over` would have now; nothing is changed. Raises HandoverError."""
    was_active = leaver.is_active
    with transaction.atomic():
        result = hand_over(leaver, to, by=by, deactivate=deactivate)
        transaction.set_rollback(True)
    leaver.is_active = was_active
    return result


def _check(leaver: Person, to: Person, by: Person, deactivate: bool) -> None:
    if not (by.is_active and by.is_superuser):
        raise NotPermittedError(
            text("%(person)s is not a superuser. Only superusers can hand over objects.", person=sign_in_name(by))
        )
    if leaver == to:
        raise HandoverError(text("Choose a person other than the one who leaves."))
    if not to.is_active:
        raise HandoverError(
            text("The account %(person)s is not active. Choose an active person.", person=sign_in_name(to))
        )
    if not deactivate:
        return
    if leaver == by:
        raise HandoverError(text("You cannot deactivate your own account. Ask another superuser."))
    if "is_active" not in {each.name for each in leaver._meta.concrete_fields}:
        raise HandoverError(text("Accounts cannot be deactivated here. Use the system that manages them."))


def _missing_permission(person: Person, model: type[Any], kinds: str) -> str:
    given = {"person": sign_in_name(person), "kinds": marked(kinds)}
    if model is StoredSecret:
        return text("%(person)s does not have permission to replace %(kinds)s.", **given)
    return text("%(person)s does not have permission to change %(kinds)s.", **given)


def _count(result: Handover, title: Any, number: int, phrase: str) -> None:
    if number:
        result.done[str(title)] = number
        result.phrases.append(phrase)


def _hand_over_owned(model: type[Any], leaver: Person, to: Person, by: Person) -> int:
    rows = list(holdings.owned_objects(model, leaver).select_for_update(no_key=True))
    changes = audit.difference("owner", sign_in_name(leaver), sign_in_name(to))
    for row in rows:
        row.owner = to
        row.save(update_fields=["owner"])
        audit.record(by, f"{audit.kind_of(model)}.handed_over", row, changes=changes)
    return len(rows)


def _hand_over_run_as(leaver: Person, to: Person, by: Person, result: Handover, stopped: list[int]) -> int:
    """Make drafts and versions run as another: open runs go on, and no old version runs as the leaver.

    So do the workflows `stopped`, which run as people who left before.
    """
    done = 0
    running = holdings.workflows_running_as(leaver).select_for_update(no_key=True)
    others = Workflow.objects.filter(pk__in=stopped).select_for_update(no_key=True, of=("self",)).order_by("pk")
    former = [(workflow, leaver) for workflow in running]
    former += [(each, each.published.run_as) for each in others.select_related("published__run_as") if each.published]
    for workflow, person in former:
        if problem := _run_as_problem(workflow, person, to):
            result.left.append(_kept_run_as(workflow, person, to, problem))
            continue
        result.open_runs += holdings.open_runs(person).filter(workflow=workflow).count()
        WorkflowVersion.snapshots.filter(workflow=workflow, run_as=person).update(run_as=to)
        if workflow.run_as_id == person.pk:
            workflow.run_as = to
            workflow.save(update_fields=["run_as"])
        changes = audit.difference("run_as", sign_in_name(person), sign_in_name(to))
        audit.record(by, HANDED_OVER, workflow, changes=changes)
        done += 1
    return done


def _kept_run_as(workflow: Workflow, person: Person, to: Person, problem: str) -> str:
    stays = text(
        "The workflow %(workflow)s still runs as %(person)s: %(reason)s",
        workflow=str(workflow),
        person=sign_in_name(person),
        reason=problem,
    )
    if holds_anywhere(to, "use", Connection) or holds_anywhere(to, "change", Workflow):
        return joined([stays, text("Share these objects with %(person)s first.", person=sign_in_name(to))])
    role = text(
        "%(person)s has no role that allows it, such as %(role)s.", person=sign_in_name(to), role=marked(BUILDERS)
    )
    return joined([stays, role])


def _run_as_problem(workflow: Workflow, leaver: Person, to: Person) -> str:
    """The reason why the published version cannot run as `to`; empty when it can, or does not run as the leaver."""
    published = workflow.published
    if published is None or published.run_as_id != leaver.pk:
        return ""
    try:
        problems = usability.unusable(parse(published.definition), [to])
    except DefinitionError:  # of a plug-in that is gone: it fails the same for everybody
        return ""
    return joined(list(dict.fromkeys(problem.reason for problem in problems))[:3])


def _hand_over_rules(leaver: Person, to: Person, by: Person) -> int:
    rules = list(holdings.rules_naming(leaver))
    for rule in rules:
        rule.people.remove(leaver)
        rule.people.add(to)
        changes = audit.difference("people", sign_in_name(leaver), sign_in_name(to))
        audit.record(by, "notification.rule_handed_over", rule, changes=changes)
    return len(rules)


def _hand_over_drafts(leaver: Person, to: Person, by: Person, result: Handover) -> int:
    """Make `to` the author of drafts of connectors, unless they may not edit connectors, or have one of the same."""
    drafts = list(holdings.connector_drafts(leaver).select_for_update(no_key=True))
    if drafts and not can(to, "administer", SITE):
        result.left.append(
            text(
                "Drafts of connectors stay with %(leaver)s: %(person)s may not administer the site.",
                leaver=sign_in_name(leaver),
                person=sign_in_name(to),
            )
        )
        return 0
    present = set(holdings.connector_drafts(to).exclude(connector=None).values_list("connector", flat=True))
    done = 0
    for draft in drafts:
        if draft.connector_id in present:
            name = str(draft.connector)
            reason = text("%(person)s has a draft of it.", person=sign_in_name(to))
            result.left.append(joined([verbatim(name), reason], ": "))
            continue
        draft.author = to
        draft.save(update_fields=["author"])
        changes = audit.difference("author", sign_in_name(leaver), sign_in_name(to))
        audit.record(by, "connector.handed_over", draft, changes=changes)
        done += 1
    return done


def find_active_person(name: str) -> Person:
    """The active person of that user name, in any case where that names one alone. Raises HandoverError."""
    person: Person | None = names.active_people([name]).first()
    if person is None and name:
        alike = names.active_people_alike(name)
        person = alike[0] if len(alike) == 1 else None
    if person is None:
        if not name:
            raise HandoverError(text("Choose an active person."))
        raise HandoverError(text("There is no active account %(name)s.", name=repr(name)))
    return person
