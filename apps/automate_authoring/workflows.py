"""Operations on workflows: store a draft, load it, publish it. Screens and commands call these."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.db.models import Max

from automate_authoring import recorded_changes, usability
from automate_authoring.definitions import validation
from automate_authoring.definitions.digests import DIGEST, definition_digest
from automate_authoring.drafts import action_versions, history, insertion, parsing, rows
from automate_authoring.drafts.changes import Change, find_changes
from automate_authoring.drafts.errors import ConflictError, OtherChange, RefusedError
from automate_authoring.drafts.values import GAP, OWN_FIELDS, Draft, draft_document
from automate_authoring.run_as import may_choose
from automate_authoring.slugs import slug_like
from automate_core.definition.document import (
    Definition,
    DefinitionError,
    Problem,
)
from automate_core.definition.parsing import parse, to_document
from automate_core.models import Workflow, WorkflowVersion
from automate_core.runs.activation import activate_version
from automate_core.runs.lookup import count_undispatched
from automate_governance import audit, sharing
from automate_governance.people.locale import person_zone
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, can
from automate_governance.reference_registry import InUseError, delete_unused
from automate_plugins import ntext, text
from automate_plugins.texts import stored


@transaction.atomic
def save_definition(definition: Definition, *, owner: Person, rev: int | None = None) -> Workflow:
    """Create or replace the workflow `definition.slug` as a draft. Raises DefinitionError, NotPermittedError.

    `owner` becomes owner and run-as of a new workflow, and is the actor in the audit trail. All or nothing; a draft
    that says the same already stays as it is. Raises ConflictError when the draft has another revision than `rev`.
    """
    if found := validation.find_problems(definition):
        raise DefinitionError(found)
    workflow = Workflow.objects.select_for_update(no_key=True).filter(slug=definition.slug).first()
    if workflow is None:
        return _create(definition, owner)
    if not can(owner, "change", workflow):
        raise NotPermittedError(_lacks_change(owner, definition.slug))
    if rev is not None and rev != workflow.rev:
        raise ConflictError(workflow.rev, history.edits_since(workflow, rev))
    if _says(workflow, definition):
        return workflow
    changes, edited = _replace(workflow, definition)
    history.record_edit(
        workflow, "replace", text("Imported a workflow definition"), changes, owner, history.load_undo_stack(workflow)
    )
    audit.record(owner, "workflow.changed", workflow, changes=edited)
    return workflow


def start_draft(definition: Definition, *, owner: Person) -> Workflow:
    """A new draft of `owner`, under the slug of `definition`, or when that is taken under the next free one.

    What only keeps it from being published may be wrong with it. Raises NotPermittedError, and DefinitionError for what
    cannot be stored.
    """
    for slug in free_slugs(definition.slug):
        try:
            with transaction.atomic():
                return _create(msgspec.structs.replace(definition, slug=slug), owner)
        except IntegrityError:
            if not Workflow.objects.filter(slug=slug).exists():
                raise
    raise AssertionError("there is always a free slug")


def start_empty(name: str, *, owner: Person) -> Workflow:
    """A new empty draft of `owner` under a slug like its name. Raises NotPermittedError."""
    return start_draft(Definition(name=name, slug=slug_of(name), timezone=person_zone(owner)), owner=owner)


def slug_of(name: str) -> str:
    """A slug like a name."""
    return slug_like(name) or "workflow"


def free_slugs(wish: str) -> Iterator[str]:
    """`wish`, `wish-2` and so on, without those that are taken at this moment."""
    stem = wish[:90].rstrip("-")
    taken = set(Workflow.objects.filter(slug__startswith=stem).values_list("slug", flat=True))
    numbered = (f"{stem}-{number}" for number in itertools.count(2))
    return (slug for slug in itertools.chain([wish], numbered) if slug not in taken)


def _create(definition: Definition, owner: Person) -> Workflow:
    if not can(owner, "add", Workflow):
        raise NotPermittedError(text("%(person)s needs the Add permission for workflows.", person=sign_in_name(owner)))
    workflow = Workflow.objects.create(slug=definition.slug, owner=owner, run_as=owner)
    _replace(workflow, definition)
    audit.record(owner, "workflow.created", workflow)
    return workflow


def create_from_draft(draft: Draft, owner: Person) -> Workflow:
    """Create a workflow with this draft, faults included, which `owner` owns and whose runs act as `owner`. In a
    transaction. Raises NotPermittedError, and IntegrityError for a slug that is taken."""
    if not can(owner, "add", Workflow):
        raise NotPermittedError(text("%(person)s needs the Add permission for workflows.", person=sign_in_name(owner)))
    workflow = Workflow.objects.create(slug=draft.slug, owner=owner, run_as=owner)
    before = rows.load_draft(workflow)
    fresh: Any = {"steps": {}, "triggers": {}}
    for name in fresh:
        fresh[name] = {key: replace(node, pk=None, rev=0) for key, node in getattr(draft, name).items()}
    settings = replace(draft.settings, run_as=before.settings.run_as)
    _write(workflow, before, Draft(slug=draft.slug, settings=settings, **fresh))
    return workflow


def _replace(workflow: Workflow, definition: Definition) -> tuple[list[Change], dict[str, Any]]:
    """Make the draft say what `definition` says; (changes, their audit values)."""
    before = rows.load_draft(workflow)
    return _write(workflow, before, _drafted(definition, before))


def _write(workflow: Workflow, before: Draft, after: Draft) -> tuple[list[Change], dict[str, Any]]:
    """Make the draft `after`; (changes, their audit values)."""
    changes = find_changes(before, after)
    workflow.rev += 1
    workflow.structure_rev = workflow.settings_rev = workflow.rev
    rows.write_changes(workflow, before, after, changes, workflow.rev)
    workflow.save()
    return changes, recorded_changes.draft_changes(before, after, changes)


def _says(workflow: Workflow, definition: Definition) -> bool:
    """Whether the draft says the same. One that is not valid yet does not."""
    try:
        return load_definition(workflow) == definition
    except DefinitionError:
        return False


def _drafted(definition: Definition, present: Draft) -> Draft:
    """A definition as a draft, of the present one's workflow."""
    document = msgspec.to_builtins(definition)
    own = {name: document.get(name, getattr(definition, name)) for name in OWN_FIELDS}
    own_settings = replace(present.settings, **own)
    triggers = {
        part.key: replace(insertion.build_trigger(msgspec.to_builtins(part), part.key), position=number * GAP)
        for number, part in enumerate(definition.triggers, 1)
    }
    draft = Draft(slug=definition.slug, settings=own_settings, steps={}, triggers=triggers)
    try:
        insertion.insert_steps(draft, document.get("steps", []), ("", ""), None)
    except RefusedError as error:
        raise DefinitionError([Problem(error.field, str(error))]) from error
    return draft


def load_definition(workflow: Workflow) -> Definition:
    """The draft as a definition. Raises DefinitionError for one that cannot be read yet. Two queries."""
    return parse(draft_document(rows.load_draft(workflow)))


def as_draft(definition: Definition, workflow: Workflow) -> Definition:
    """What `load_definition` would give after a replacement of the draft: with the fields that drafts fill in. Raises
    DefinitionError."""
    document = draft_document(_drafted(definition, rows.load_draft(workflow)))
    # As from rows: a default is left out of a document where it is the same object, not where it was stored
    return parse(msgspec.json.decode(msgspec.json.encode(document)))


@dataclass(frozen=True)
class Seen:
    """State that a person reviewed: the draft's `rev` and the number of the published version, or 0."""

    rev: int
    version: int


@transaction.atomic
def publish(workflow: Workflow, *, author: Person, message: str = "", seen: Seen | None = None) -> WorkflowVersion:
    """Freeze the draft into a version and match events against it from now on. One that is published already stays.

    Steps of older versions of their actions are migrated in the draft. Runs in progress stay on their version. Raises
    DefinitionError with every fault, NotPermittedError, and ConflictError when it is not what was `seen` any more.
    """
    workflow = _to_publish(workflow, author, seen)
    if seen is not None and seen.rev != workflow.rev:
        raise ConflictError(workflow.rev, history.edits_since(workflow, seen.rev))
    draft = rows.load_draft(workflow)
    if action_versions.migrate_draft(workflow, draft, by=author):
        draft = rows.load_draft(workflow)
    definition, found = _read_to_publish(workflow, author, draft)
    if found:
        raise DefinitionError(found)
    return publish_version(workflow, definition, author, workflow.run_as, message, rev=workflow.rev)


@transaction.atomic
def publish_again(
    workflow: Workflow, number: int, *, author: Person, message: str = "", seen: Seen | None = None
) -> WorkflowVersion:
    """Publish what an earlier version says, as a new one that acts as that did. The draft stays as it is.

    Raises as `publish` does, and WorkflowVersion.DoesNotExist. What the version names has to be there still.
    """
    version = workflow.versions.select_related("run_as").get(number=number)
    workflow = _to_publish(workflow, author, seen, version.run_as)
    definition = parse(version.definition)
    if found := _unpublishable(definition, author, version.run_as):
        raise DefinitionError(found)
    same = workflow.run_as_id == version.run_as_id and _says(workflow, definition)
    words = message or text("Published v%(number)s again", number=str(number))
    return publish_version(workflow, definition, author, version.run_as, words, rev=workflow.rev if same else 0)


@transaction.atomic
def restore(workflow: Workflow, number: int, *, by: Person, rev: int | None = None) -> bool:
    """Make the draft what a version says, as one edit that can be undone; whether it was anything else.

    `rev` is the draft's that the person saw. Raises NotPermittedError, ConflictError, WorkflowVersion.DoesNotExist, and
    DefinitionError for a version that cannot be read.
    """
    workflow = Workflow.objects.select_for_update(no_key=True).get(pk=workflow.pk)
    if not can(by, "change", workflow):
        raise NotPermittedError(_lacks_change(by, workflow.slug))
    if rev is not None and rev != workflow.rev:
        raise ConflictError(workflow.rev, history.edits_since(workflow, rev))
    definition = parse(workflow.versions.get(number=number).definition)
    if _says(workflow, definition):
        return False
    changes, edited = _replace(workflow, definition)
    words = text("Restored v%(number)s", number=str(number))
    history.record_edit(workflow, "replace", words, changes, by, history.load_undo_stack(workflow))
    audit.record(by, "workflow.restored", workflow, changes=edited, facts={"version": number})
    return True


class HasRunsError(InUseError, code="has_runs"):
    """A workflow cannot be deleted, but archived."""


@transaction.atomic
def delete(workflow: Workflow, *, by: Person) -> None:
    """Delete a workflow that has no runs, is to have none, and is called by no published workflow.

    Raises NotPermittedError, InUseError.
    """
    # Both wait for what is being accepted: a start keeps the workflow, an answer the form.
    workflow = Workflow.objects.select_for_update().get(pk=workflow.pk)
    list(workflow.forms.select_for_update().order_by("pk"))
    if can(by, "delete", workflow):
        # Runs are looked for last: a worker may make one of a start meanwhile.
        if count := count_undispatched(workflow):
            raise HasRunsError(
                ntext(
                    "The workflow %(slug)s has %(count)s accepted start that no worker has processed yet. Archive it"
                    " instead, or wait.",
                    "The workflow %(slug)s has %(count)s accepted starts that no worker has processed yet. Archive it"
                    " instead, or wait.",
                    count,
                    slug=workflow.slug,
                )
            )
        if workflow.runs.exists():
            raise HasRunsError(text("The workflow %(slug)s has runs. Archive it instead.", slug=workflow.slug))
    delete_unused(workflow, by=by)


def refusal(workflow: Workflow, author: Person, run_as: Person | None = None) -> str:
    """Reason why this person may not publish the workflow to run as `run_as`; empty when they may.

    Without `run_as` it is the person that the draft names.
    """
    acting = run_as or workflow.run_as
    if not can(author, "publish", workflow):
        return text(
            "%(person)s needs the Publish permission for the workflow %(slug)s.",
            person=sign_in_name(author),
            slug=workflow.slug,
        )
    if not may_choose(author, acting.pk):
        return text(
            "The workflow runs as %(run_as)s. Only %(run_as)s or a superuser can publish it.",
            run_as=sign_in_name(acting),
        )
    return ""


def known_publishers(workflow: Workflow, by: Person) -> list[Person]:
    """The owner and the people whom `by` may know, as far as they may publish the draft; at most three."""
    known = {workflow.owner_id, *sharing.known_people(by, workflow).values_list("pk", flat=True)}
    people = (each.person for each in sharing.list_access(workflow) if each.person.pk in known)
    return list(
        itertools.islice((person for person in people if person.pk != by.pk and not refusal(workflow, person)), 3)
    )


def _lacks_change(person: Person, slug: str) -> str:
    return text(
        "%(person)s needs the Change permission for the workflow %(slug)s.", person=sign_in_name(person), slug=slug
    )


def _to_publish(workflow: Workflow, author: Person, seen: Seen | None, run_as: Person | None = None) -> Workflow:
    """The locked workflow. Raises NotPermittedError, ConflictError."""
    workflow = Workflow.objects.select_for_update(no_key=True).get(pk=workflow.pk)
    if reason := refusal(workflow, author, run_as):
        raise NotPermittedError(reason)
    present = workflow.published
    if seen is not None and seen.version != (present.number if present else 0):
        words = text("Published %(version)s", version=str(present))
        others = [OtherChange(sign_in_name(present.author), present.created_at, words)] if present else []
        raise ConflictError(workflow.rev, others)
    return workflow


def publishing_problems(workflow: Workflow, author: Person) -> list[Problem]:
    """Everything that keeps the draft from being published by `author`, apart from that person's permissions."""
    return _read_to_publish(workflow, author, rows.load_draft(workflow))[1]


def _read_to_publish(workflow: Workflow, author: Person, draft: Draft) -> tuple[Definition, list[Problem]]:
    """The draft, and everything that keeps `author` from publishing it."""
    parsed = parsing.parse_draft(draft)
    return parsed.definition, parsed.with_faults(_unpublishable(parsed.definition, author, workflow.run_as))


def _unpublishable(definition: Definition, author: Person, run_as: Person) -> list[Problem]:
    people = sorted({author, run_as}, key=sign_in_name)
    return [*validation.find_problems(definition), *usability.unusable(definition, people)]


def publish_version(
    workflow: Workflow, definition: Definition, author: Person, run_as: Person, message: str, *, rev: int
) -> WorkflowVersion:
    """Make the version that runs from now on. `rev` is the draft's that says the same, 0 when none does.

    Checks neither permissions nor the names that the definition mentions, but connectors that were deleted meanwhile:
    raises DefinitionError. Call it in a transaction.
    """
    usability.check_connectors(definition)
    document, present = to_document(definition), workflow.published
    workflow.published_rev = rev
    runs = workflow.status in {Workflow.Status.ACTIVE, Workflow.Status.PAUSED}
    if present is not None and runs and (present.definition, present.run_as_id) == (document, run_as.pk):
        workflow.save(update_fields=["published_rev"])
        return present
    number = (workflow.versions.aggregate(Max("number"))["number__max"] or 0) + 1
    version = WorkflowVersion.objects.create(
        workflow=workflow,
        number=number,
        definition=document,
        author=author,
        run_as=run_as,
        message=message,
        message_text=stored(message),
    )
    workflow.published = version
    if workflow.status != Workflow.Status.PAUSED:  # what is paused stays so until it is resumed
        workflow.status = Workflow.Status.ACTIVE
    workflow.save(update_fields=["published", "published_rev", "status", "updated_at"])
    activate_version(workflow, version, definition)
    acting = audit.difference("run_as", sign_in_name(present.run_as) if present else "", sign_in_name(run_as))
    before = present.definition if present is not None else None
    edited = recorded_changes.version_changes(before, definition)
    facts = {"version": number, DIGEST: definition_digest(document)}
    facts |= {"previous": present.number} if present else {}
    audit.record(author, "workflow.published", workflow, changes={"message": message, **acting, **edited}, facts=facts)
    return version
