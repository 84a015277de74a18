"""Pages of notifications: of a workflow, for people who may change it, and of the site, for administrators."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from automate_core.models import Notification, NotificationRule, Workflow
from automate_core.states import NotificationStatus, TransitionError
from automate_governance.admin_site import reverse
from automate_governance.middleware import show_once
from automate_governance.permissions import SITE, NotPermittedError, can
from automate_governance.texts import translated
from automate_operations.notifications import rules
from automate_operations.notifications.channels.mail import can_mail, no_mail_message
from automate_studio.notifications.forms import RuleForm, initial_values
from automate_studio.notifications.listing import notification_log, rule_rows, site_rule_rows
from automate_ui.admin_page import render_page
from automate_ui.navigation.http import HttpResponseSeeOther, current_person, parse_number
from automate_ui.request_params import get_editable_workflow


@require_safe
def site_notifications(request: HttpRequest) -> HttpResponse:
    """Site rules and the whole log; auditors may read it."""
    if not can(request.user, "audit", SITE):
        _check_may_administer(request)
    return _render_page(request, None)


@require_safe
def workflow_notifications(request: HttpRequest, pk: int) -> HttpResponse:
    """Rules of a workflow, site rules that apply to it, and its log."""
    return _render_page(request, get_editable_workflow(request, pk))


@require_http_methods(["GET", "HEAD", "POST"])
def rule_new(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """A new rule of a workflow, or of the site."""
    if pk is None:
        _check_may_administer(request)
    return _edit_rule(request, None, get_editable_workflow(request, pk) if pk is not None else None)


@require_http_methods(["GET", "HEAD", "POST"])
def rule_edit(request: HttpRequest, rule_id: int) -> HttpResponse:
    rule = _get_rule(request, rule_id)
    return _edit_rule(request, rule, rule.workflow)


@require_POST
def rule_action(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Enable, disable, test, delete or restore a rule."""
    rule, person = _get_rule(request, rule_id), current_person(request)
    what = request.POST.get("do", "")
    if what == "test":
        return _test_rule(request, rule)
    acts: dict[str, tuple[Callable[[], Any], str]] = {
        "on": (lambda: rules.set_rule_enabled(rule, on=True, by=person), _("Turned on.")),
        "off": (
            lambda: rules.set_rule_enabled(rule, on=False, by=person),
            _("Turned off. This rule sends no messages."),
        ),
        "remove": (lambda: rules.remove_rule(rule, by=person), _("Removed.")),
        "take_back": (lambda: rules.restore_rule(rule, by=person), _("Rule restored.")),
    }
    if what not in acts:
        return HttpResponse(_("Unknown action."), status=422, content_type="text/plain")
    act, said = acts[what]
    try:
        act()
    except rules.RuleError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, said)
    removed = f"?removed={rule.pk}" if what == "remove" and not rule.built_in else ""
    return HttpResponseSeeOther(f"{_page_url(rule.workflow)}{removed}")


@require_POST
def rule_mute(request: HttpRequest, pk: int, rule_id: int) -> HttpResponse:
    """Mute a site rule for the owner of a workflow, or unmute it."""
    workflow = get_editable_workflow(request, pk)
    rule = get_object_or_404(NotificationRule, pk=rule_id, workflow=None, removed_at=None)
    on = request.POST.get("do") == "mute"
    try:
        rules.mute_owner(rule, workflow, on=on, by=current_person(request))
    except rules.RuleError as error:
        messages.error(request, str(error))
    else:
        messages.success(
            request,
            _("The workflow owner is no longer notified.") if on else _("The workflow owner is notified again."),
        )
    return HttpResponseSeeOther(_page_url(workflow))


@require_POST
def notification_resend(request: HttpRequest, notification_id: uuid.UUID) -> HttpResponse:
    """Resend a failed notification."""
    found = get_object_or_404(Notification.objects.select_related("workflow", "rule__workflow"), pk=notification_id)
    workflow = found.workflow if found.rule is None or found.rule.workflow_id else None
    if workflow is not None:
        get_editable_workflow(request, workflow.pk)
    elif not can(request.user, "administer", SITE):
        raise Http404
    try:
        rules.resend_notification(found, by=current_person(request))
    except NotPermittedError as error:
        raise PermissionDenied from error
    except TransitionError:
        messages.error(request, _("Only messages that were not sent can be sent again."))
    else:
        messages.success(request, _("The message is being sent again."))
    return HttpResponseSeeOther(_page_url(workflow))


def _check_may_administer(request: HttpRequest) -> None:
    if not can(request.user, "administer", SITE):
        raise PermissionDenied


def _get_rule(request: HttpRequest, rule_id: int) -> NotificationRule:
    """The rule if this person may manage it; 404 if they may not know it."""
    rule = get_object_or_404(NotificationRule.objects.select_related("workflow__owner"), pk=rule_id)
    if rule.workflow is not None:
        get_editable_workflow(request, rule.workflow.pk)
    else:
        _check_may_administer(request)
    return rule


def _page_url(workflow: Workflow | None) -> str:
    if workflow is None:
        return reverse("studio:notifications")
    return reverse("studio:workflow_notifications", args=[workflow.pk])


def _test_rule(request: HttpRequest, rule: NotificationRule) -> HttpResponse:
    outcomes = rules.send_test(rule, by=current_person(request))
    for each in outcomes:
        if each.status == NotificationStatus.SENT:
            messages.success(request, _("Test sent to %(target)s.") % {"target": each.target})
        else:
            said = _("The test to %(target)s was not sent. %(error)s")
            messages.error(request, said % {"target": each.target, "error": translated(each.reason)})
    if not outcomes:
        messages.error(request, _("No recipient for the test. The owner or the people need an email address."))
    return HttpResponseSeeOther(_page_url(rule.workflow))


def _render_page(request: HttpRequest, workflow: Workflow | None) -> HttpResponse:
    removed = NotificationRule.objects.filter(
        pk=parse_number(request.GET.get("removed")) or 0, workflow=workflow, removed_at__isnull=False
    )
    return render_page(
        request,
        "automate_studio/notifications/page.html",
        _("Notifications: %(name)s") % {"name": workflow} if workflow else _("Notifications"),
        workflow=workflow,
        may_change=workflow is not None or can(request.user, "administer", SITE),
        rules=rule_rows(workflow),
        site_rules=site_rule_rows(workflow) if workflow else [],
        found=notification_log(workflow, request.GET),
        no_mail="" if can_mail() else translated(no_mail_message()),
        removed=removed.first(),
        new=reverse("studio:workflow_rule_new", args=[workflow.pk]) if workflow else reverse("studio:rule_new"),
    )


def _edit_rule(request: HttpRequest, rule: NotificationRule | None, workflow: Workflow | None) -> HttpResponse:
    timezone = workflow.timezone if workflow else "UTC"
    given = request.POST if request.method == "POST" else None
    form = RuleForm(given, person=current_person(request), rule=rule, initial=initial_values(rule, timezone))
    secret = ""
    if form.is_valid():
        try:
            rule, secret = rules.save_rule(rule, form.values(), workflow=workflow, by=current_person(request))
        except NotPermittedError as error:
            raise PermissionDenied from error
        except rules.RuleError as error:
            form.refuse(error.errors)
        else:
            if not secret:
                messages.success(request, _("Rule saved. Select Send test to try it."))
                return HttpResponseSeeOther(_page_url(workflow))
            form = RuleForm(person=current_person(request), rule=rule, initial=initial_values(rule, timezone))
    response = render_page(
        request,
        "automate_studio/notifications/rule_form.html",
        _("Notification rule") if rule else _("New notification rule"),
        workflow=workflow,
        rule=rule,
        form=form,
        secret=secret,
        no_mail="" if can_mail() else translated(no_mail_message()),
        back=_page_url(workflow),
        action=_form_url(rule, workflow),
    )
    response.status_code = 422 if form.is_bound and form.errors else 200
    if secret:
        response.add_post_render_callback(lambda rendered: show_once(rendered, secret))
    return response


def _form_url(rule: NotificationRule | None, workflow: Workflow | None) -> str:
    """URL that the form posts to."""
    if rule is not None:
        return reverse("studio:rule_edit", args=[rule.pk])
    return reverse("studio:workflow_rule_new", args=[workflow.pk]) if workflow else reverse("studio:rule_new")
