"""Publishing: review of a draft, version list, comparison of two versions, and restoring one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automate_authoring import workflows
from automate_authoring.drafts.errors import ConflictError, EditError
from automate_authoring.publishing import fixes
from automate_authoring.publishing import review as reviews
from automate_authoring.publishing.differences import Difference, Line
from automate_authoring.publishing.fixes import Fix
from automate_authoring.publishing.review import DRAFT
from automate_authoring.workflows import Seen
from automate_core.definition.document import DefinitionError
from automate_core.models import Workflow, WorkflowVersion
from automate_governance.admin_site import reverse
from automate_governance.people.names import display_name
from automate_governance.permissions import NotPermittedError, can, permitted
from automate_governance.texts import escape_invisible, translated
from automate_operations.queries.run_as_history import find_former_run_as
from automate_studio.builder.changed_values import value_text
from automate_studio.builder.panel.problem_messages import ProblemLine, problem_lines
from automate_ui.admin_page import render_page
from automate_ui.describe import webhook_name
from automate_ui.formatting import as_sentence
from automate_ui.links import change_url
from automate_ui.navigation.http import HttpResponseSeeOther, current_person, parse_number
from automate_ui.request_params import get_editable_workflow

MOST = 50  #: versions on a page
LONGEST_MESSAGE = 1_000


@dataclass(frozen=True)
class DifferenceRow:
    """A difference; `fields` are (name, before, after) with invisible characters escaped."""

    difference: Difference
    fields: list[tuple[str, str | None, str | None]]

    @property
    def sign(self) -> tuple[str, str]:
        """(colour class, sign)."""
        return _SIGNS[self.difference.kind]

    @property
    def name(self) -> str:
        return escape_invisible(translated(self.difference.name))

    @property
    def words(self) -> str:
        """Kind of change in words."""
        return escape_invisible(translated(self.difference.words))


_SIGNS = {
    "added": ("added", "+"),
    "removed": ("removed", "\u2212"),
    "moved": ("changed", "↕"),
    "changed": ("changed", "~"),
}


# --- the review -------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def review_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Review of the draft; a POST publishes the reviewed draft.

    409 with the changes and a fresh review when it was changed meanwhile; 422 when it has errors.
    """
    workflow = _get_workflow(request, pk)
    if request.method != "POST":
        return _show_review(request, workflow)
    seen = Seen(_posted_number(request, "rev"), _posted_number(request, "version"))
    try:
        version = workflows.publish(
            workflow, author=current_person(request), message=_posted_message(request), seen=seen
        )
    except NotPermittedError as error:
        raise PermissionDenied(str(error)) from error
    except ConflictError as error:
        workflow.refresh_from_db()
        return _show_review(request, workflow, conflict=error, status=409)
    except DefinitionError as error:
        return _show_review(request, workflow, reasons=_reasons(error), status=422)
    _report_published(request, version, workflow)
    return HttpResponseSeeOther(change_url(workflow))


@require_POST
def fix_problem(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a fix that the review offers; nothing when its problem is there no more."""
    workflow = get_editable_workflow(request, pk)
    step, field, name = (request.POST.get(part, "") for part in ("step", "field", "name"))
    try:
        if not fixes.apply_fix(workflow, step, field, name, by=current_person(request)):
            messages.info(request, _("Nothing was changed: this problem no longer exists."))
    except EditError as error:
        messages.error(request, as_sentence(str(error)))
    return HttpResponseSeeOther(reverse("studio:review", args=[pk]))


def _show_review(
    request: HttpRequest,
    workflow: Workflow,
    *,
    conflict: ConflictError | None = None,
    reasons: Iterable[str] = (),
    status: int = 200,
) -> HttpResponse:
    found = reviews.build_review(workflow, by=current_person(request))
    return render_page(
        request,
        "automate_studio/builder/publishing/review.html",
        (_("Review %(name)s") if found.refusal else _("Publish %(name)s")) % {"name": workflow.name},
        status=status,
        workflow=workflow,
        review=found,
        rows=_difference_rows(found.comparison.found) if found.comparison else [],
        lines=_visible_lines(found.comparison.lines) if found.comparison else [],
        problems=_fixable_lines(found),
        registered=[webhook_name(reference) for reference in found.registered],
        removed=[webhook_name(reference) for reference in found.removed],
        refusal=as_sentence(found.refusal) if found.refusal else "",
        publishers=[display_name(each) for each in workflows.known_publishers(workflow, current_person(request))]
        if found.refusal
        else [],
        may_change=can(request.user, "change", workflow),
        message=request.POST.get("message", ""),
        conflict=conflict,
        reasons=reasons,
    )


def _fixable_lines(found: reviews.Review) -> list[tuple[ProblemLine, list[Fix]]]:
    """The problems, each with its fixes."""
    offered = list(fixes.find_fixes(found.parsed.definition))
    lines = zip(problem_lines(found.draft, found.problems), found.problems, strict=True)
    return [
        (line, [fix for fix in offered if (fix.step, fix.field) == (problem.step, problem.field)])
        for line, problem in lines
    ]


def _difference_rows(found: Iterable[Difference]) -> list[DifferenceRow]:
    return [
        DifferenceRow(
            each,
            [
                (
                    translated(field.label or field.name),
                    value_text(field, field.was, field.before),
                    value_text(field, field.now, field.after),
                )
                for field in each.fields
            ],
        )
        for each in found
    ]


def _visible_lines(found: list[Line] | None) -> list[Line] | None:
    """The texts with invisible characters escaped."""
    return found and [
        replace(line, left=escape_invisible(line.left), right=escape_invisible(line.right)) for line in found
    ]


# --- versions ---------------------------------------------------------------------------------------------------------


@require_safe
def version_list(request: HttpRequest, pk: int) -> HttpResponse:
    """Versions, newest first, before the number `?before=`."""
    workflow = _get_workflow(request, pk)
    found = workflow.versions.select_related("author", "run_as").defer("definition")
    before = parse_number(request.GET.get("before"))
    shown = list((found.filter(number__lt=before) if before else found)[: MOST + 1])
    former = find_former_run_as(workflow)
    for version in shown:
        version.former_run_as = former.get(version.number, ())  # type: ignore[attr-defined]
    return render_page(
        request,
        "automate_studio/builder/publishing/versions.html",
        _("Versions of %(name)s") % {"name": workflow.name},
        workflow=workflow,
        versions=shown[:MOST],
        older=shown[MOST - 1].number if len(shown) > MOST else None,
        may_change=can(request.user, "change", workflow),
        may_publish=can(request.user, "publish", workflow),
    )


@require_safe
def compare_versions(request: HttpRequest, pk: int) -> HttpResponse:
    """Two versions, `?from=` and `?to=`: numbers or `draft`; the published one and the draft by default."""
    workflow = _get_workflow(request, pk)
    present = str(workflow.published.number) if workflow.published else DRAFT
    names = (request.GET.get("from") or present, request.GET.get("to") or DRAFT)
    return _show_comparison(request, workflow, *names)


@require_POST
def restore_version(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Copy a version into the draft and open the builder, where it can be undone."""
    workflow = _get_workflow(request, pk)
    rev = _posted_number(request, "rev")
    changed = False

    def act() -> None:
        nonlocal changed
        changed = workflows.restore(workflow, number, by=current_person(request), rev=rev)

    if (failed := _try_or_compare(request, workflow, number, act)) is not None:
        return failed
    restored, same = _("Restored v%(number)s as draft. You can undo this."), _("The draft already equals v%(number)s.")
    report = messages.success if changed else messages.warning
    report(request, (restored if changed else same) % {"number": number})
    return HttpResponseSeeOther(reverse("studio:builder", args=[workflow.pk]))


@require_POST
def republish_version(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Publish an older version as a new one."""
    workflow = _get_workflow(request, pk)
    seen = Seen(workflow.rev, _posted_number(request, "version"))
    made: list[WorkflowVersion] = []

    def act() -> None:
        made.append(
            workflows.publish_again(
                workflow, number, author=current_person(request), message=_posted_message(request), seen=seen
            )
        )

    if (failed := _try_or_compare(request, workflow, number, act)) is not None:
        return failed
    _report_published(request, made[0], workflow)
    return HttpResponseSeeOther(change_url(workflow))


def _try_or_compare(
    request: HttpRequest, workflow: Workflow, number: int, act: Callable[[], None]
) -> HttpResponse | None:
    """None after success; else the comparison with that version, and the reason."""
    try:
        act()
    except WorkflowVersion.DoesNotExist:
        raise Http404 from None
    except NotPermittedError as error:
        raise PermissionDenied(str(error)) from error
    except ConflictError as error:
        workflow.refresh_from_db()
        present = str(workflow.published.number) if workflow.published else DRAFT
        return _show_comparison(request, workflow, present, str(number), conflict=error, status=409)
    except DefinitionError as error:
        present = str(workflow.published.number) if workflow.published else DRAFT
        return _show_comparison(request, workflow, present, str(number), reasons=_reasons(error), status=422)
    return None


def _show_comparison(
    request: HttpRequest,
    workflow: Workflow,
    before: str,
    after: str,
    *,
    conflict: ConflictError | None = None,
    reasons: Iterable[str] = (),
    status: int = 200,
) -> HttpResponse:
    try:
        pair = reviews.load_state(workflow, before), reviews.load_state(workflow, after)
    except WorkflowVersion.DoesNotExist:
        raise Http404 from None
    except DefinitionError as error:
        messages.error(request, _("Cannot compare: a version is no longer valid. %(error)s") % {"error": error})
        return HttpResponseSeeOther(reverse("studio:versions", args=[workflow.pk]))
    found = reviews.compare_states(*pair)
    published = workflow.published
    older = after if after != DRAFT and not (published and after == str(published.number)) else ""
    refusal = _older_version_problem(request, workflow, older) if older else ""
    return render_page(
        request,
        "automate_studio/builder/publishing/compare.html",
        _("Compare versions of %(name)s") % {"name": workflow.name},
        status=status,
        workflow=workflow,
        before=_version_label(before),
        after=_version_label(after),
        rows=_difference_rows(found.found),
        lines=_visible_lines(found.lines),
        older=older,
        may_change=can(request.user, "change", workflow),
        refusal=as_sentence(refusal) if refusal else "",
        conflict=conflict,
        reasons=reasons,
    )


def _older_version_problem(request: HttpRequest, workflow: Workflow, number: str) -> str:
    run_as = workflow.versions.select_related("run_as").get(number=int(number)).run_as
    return workflows.refusal(workflow, current_person(request), run_as)


def _version_label(name: str) -> str:
    return _("Draft") if name == DRAFT else f"v{int(name)}"


# --- what all of them need --------------------------------------------------------------------------------------------


def _get_workflow(request: HttpRequest, pk: int) -> Workflow:
    found = Workflow.objects.select_related("run_as", "owner", "published__author", "published__run_as")
    return get_object_or_404(permitted(request.user, "view", found), pk=pk)


def _posted_number(request: HttpRequest, name: str) -> int:
    """Number from a form; -1, which equals no version, when it is missing."""
    found = parse_number(request.POST.get(name))
    return -1 if found is None else found


def _posted_message(request: HttpRequest) -> str:
    return request.POST.get("message", "").replace("\0", "").strip()[:LONGEST_MESSAGE]


def _reasons(error: DefinitionError) -> list[str]:
    return [as_sentence(str(problem)) for problem in error.problems]


def _report_published(request: HttpRequest, version: WorkflowVersion, before: Workflow) -> None:
    """`before` is the workflow as it was read before."""
    if version == before.published:
        messages.warning(request, _("%(version)s has the same content and is already live.") % {"version": version})
        return
    said = _("Version %(number)s is live.") % {"number": version.number}
    count = sum(reviews.count_unfinished_runs(before).values()) if before.published else 0
    if count:
        stay = ngettext(
            "%(count)s run will finish on %(version)s.", "%(count)s runs will finish on %(version)s.", count
        ) % {"count": count, "version": before.published}
        said = f"{said} {stay}"
    messages.success(request, said)
