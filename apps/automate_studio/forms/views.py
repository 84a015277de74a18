"""Views of hosted forms: the form, what comes behind it, and pages of a workflow that are sent as links."""

from __future__ import annotations

import datetime as dt
from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from automate_core.definition.document import FormTrigger
from automate_core.definition.form_validation import AnswersError
from automate_core.files.uploads import upload_owner
from automate_core.models import Wait
from automate_core.triggers import forms
from automate_core.triggers.forms import FormClosedError, FormTokenError, OpenForm
from automate_core.webhooks import rates
from automate_governance.admin_site import reverse
from automate_governance.people.origin import remote_address
from automate_governance.texts import translated
from automate_operations.runs import form_pages
from automate_operations.runs.form_pages import PageOverError, Visit
from automate_studio.forms.pages import (
    HONEYPOT,
    Answer,
    FormContent,
    form_context,
    read_answer,
    read_texts,
    visible_texts,
)
from automate_studio.forms.proof import SOLUTION, build_proof, is_proven
from automate_studio.forms.responses import redirect_address, render_public_page, secured
from automate_studio.forms.uploads import limit_uploads
from automate_ui.navigation.http import HttpResponseSeeOther

REFUSED = 422  #: the answer is shown again, with what is wrong with it


def _rate_notice(request: HttpRequest, slug: str) -> str:
    """Why an answer is not taken yet; empty when it is."""
    seconds = rates.answers.take(rates.source(slug, remote_address(request)))
    seconds = seconds or rates.all_answers.take(rates.source(slug, ""))
    if not seconds:
        return ""
    return ngettext(
        "Too many answers were sent. Wait %(seconds)s second and submit again.",
        "Too many answers were sent. Wait %(seconds)s seconds and submit again.",
        seconds,
    ) % {"seconds": seconds}


#: Of all these views. Signed tokens take the place of CSRF cookies, which browsers do not send from frames.
_public = method_decorator([csrf_exempt, never_cache, login_not_required], name="dispatch")
_METHODS = ["get", "head", "post"]


@_public
class FormView(View):
    """`/forms/<slug>/`, and `/forms/<slug>/<key>/` for a form with a secret link."""

    http_method_names = _METHODS
    form: OpenForm

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """Find the form; 404 without one, or without its key."""
        form = forms.find_form(options["slug"])
        key = options.get("key", "")
        if form is None or (form.trigger.access == "link") != bool(key) or (key and not forms.has_link_key(form, key)):
            return _missing_page(request)
        self.form = form
        return super().dispatch(request, *args, **options)

    def get(self, request: HttpRequest, **_options: Any) -> HttpResponse:
        """The empty form."""
        if reason := forms.closed_reason(self.form):
            return self._closed(reason)
        if self._must_sign_in():
            return redirect_to_login(request.get_full_path(), reverse("studio:sign_in"))
        return self._render(forms.issue_token(self.form.trigger.slug, request.user))

    def post(self, request: HttpRequest, **_options: Any) -> HttpResponse:
        """Take an answer: a redirect to what comes behind it, or the form again with what is wrong."""
        slug, quota = self.form.trigger.slug, limit_uploads(request)
        unread = read_texts(request, self.form.fields)
        if notice := _rate_notice(request, slug):
            return self._again(unread, notice, status=429)
        if self._must_sign_in():
            return self._again(unread, _("You are signed out. Sign in on another page, then submit again."))
        if request.POST.get(HONEYPOT):
            return _thank(request, self.form.trigger)
        try:
            key = forms.read_token(request.POST.get("token", ""), slug, request.user)
        except FormTokenError as error:
            return self._again(unread, translated(str(error)))
        if not is_proven(self.form, request.POST.get(SOLUTION, ""), request.POST["token"]):
            return self._again(unread, _("Tick “I am not a robot”, wait until the check is done, and submit again."))
        owner_of = partial(upload_owner, key, trace_id=key, workflow_id=self.form.workflow.pk)
        answer = read_answer(request, self.form.fields, quota, owner_of)
        try:
            ingested = self._accept(answer, key)
        except FormClosedError as error:
            return self._closed(str(error))
        except AnswersError as error:
            answer.refuse(error)
            return self._again(answer, token=request.POST["token"])
        return self._after(ingested.event_id)

    def _must_sign_in(self) -> bool:
        return self.form.trigger.access == "signed_in" and not self.request.user.is_authenticated

    def _accept(self, answer: Answer, key: str) -> Any:
        """Raises FormClosedError, AnswersError."""
        if answer.errors:
            forms.check_answer(self.form, answer.complete)  # so that all errors are shown at once
            raise AnswersError({})
        return forms.accept_answer(self.form, answer.complete, key=key, by=self.request.user)

    def _after(self, event_id: str) -> HttpResponse:
        """What comes behind an accepted answer."""
        address = "" if self.form.has_pages else redirect_address(self.form.trigger)
        person = self.request.user if self.form.trigger.access == "signed_in" else None
        token = form_pages.visit_token(self.form.trigger.slug, event_id, person)
        target = address or reverse("automate_forms:answer", args=[token])
        return secured(self.request, HttpResponseSeeOther(target), self.form.trigger)

    def _again(self, answer: Answer, notice: str = "", *, token: str = "", status: int = REFUSED) -> HttpResponse:
        token = token or forms.issue_token(self.form.trigger.slug, self.request.user)
        return self._render(token, answer, notice=notice, status=status)

    def _render(self, token: str, answer: Answer | None = None, *, notice: str = "", status: int = 200) -> HttpResponse:
        trigger = self.form.trigger
        title = trigger.title or self.form.workflow.name
        content = FormContent(title=title, introduction=trigger.introduction, fields=self.form.fields)
        proof = build_proof(self.form, token)
        due_at = forms.closing_time(trigger, self.form.timezone)
        context = form_context(content, answer, notice=notice, token=token, proof=proof, due_at=due_at)
        return render_public_page(self.request, "form", context, trigger=trigger, status=status)

    def _closed(self, reason: str) -> HttpResponse:
        title = self.form.trigger.title or self.form.workflow.name
        context = {"title": title, "message": translated(reason)}
        return render_public_page(self.request, "message", context, trigger=self.form.trigger, status=410)


@_public
class AnswerView(View):
    """`/forms/answer/<token>/`: the next page for a person who answered a form, or the confirmation."""

    http_method_names = _METHODS

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """The next page; while the workflow works, a page that looks for it from time to time."""
        if form_pages.needs_sign_in(token, request.user):
            return redirect_to_login(request.path, reverse("studio:sign_in"))
        visit = form_pages.find_visit(token, request.user)
        if visit is None:
            return _missing_page(request)
        form = forms.find_form(visit.slug)
        trigger = form.trigger if form else None
        if visit.page is not None:
            return _render_page(request, visit.page, trigger)
        if visit.waits and form is not None and form.has_pages:
            context = {"title": _("One moment"), "seconds": _poll_seconds(visit)}
            return render_public_page(request, "waiting", context, trigger=trigger)
        if address := redirect_address(trigger):
            return secured(request, HttpResponseRedirect(address), trigger)
        return _thank(request, trigger)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Take the answer to the page that was shown."""
        visit = form_pages.find_visit(token, request.user)
        if visit is None:
            return _missing_page(request)
        form, onward = forms.find_form(visit.slug), HttpResponseSeeOther(request.path)
        trigger = form.trigger if form else None
        if visit.page is None:
            return secured(request, onward, trigger)
        return _take_page(request, visit.page, trigger, onward)


@_public
class PageView(View):
    """`/forms/page/<token>/`: a page of a workflow whose link was sent to a person."""

    http_method_names = _METHODS

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """The page, or that it is over."""
        page = form_pages.find_page(token)
        if page is None:
            return _missing_page(request)
        return _over_page(request) if page == "over" else _render_page(request, page, None)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Take the answer."""
        page = form_pages.find_page(token)
        if page is None:
            return _missing_page(request)
        return _over_page(request) if page == "over" else _take_page(request, page, None, None)


def _take_page(
    request: HttpRequest, page: Wait, trigger: FormTrigger | None, onward: HttpResponse | None
) -> HttpResponse:
    """Answer a page; then `onward`, or a confirmation without it."""
    content, quota = visible_texts(page.data or {}), limit_uploads(request)
    if notice := _rate_notice(request, str(page.pk)):
        return _render_page(request, page, trigger, read_texts(request, content.fields), notice=notice, status=429)
    run = page.run
    owner_of = partial(upload_owner, str(page.pk), trace_id=run.trace_id, workflow_id=run.workflow_id)
    answer = read_answer(request, content.fields, quota, owner_of)
    try:
        if request.POST.get("page") != str(page.pk):
            raise PageOverError
        if answer.errors:
            form_pages.check_page(page, answer.complete)
            raise AnswersError({})
        form_pages.answer_page(page.pk, answer.complete, by=request.user)
    except PageOverError:
        return _over_page(request) if onward is None else secured(request, onward, trigger)
    except AnswersError as error:
        answer.refuse(error)
        return _render_page(request, page, trigger, answer, status=REFUSED)
    return _thank(request, None) if onward is None else secured(request, onward, trigger)


def _render_page(
    request: HttpRequest,
    page: Wait,
    trigger: FormTrigger | None,
    answer: Answer | None = None,
    *,
    notice: str = "",
    status: int = 200,
) -> HttpResponse:
    content = visible_texts(page.data or {})
    title = content.title or (trigger.title if trigger else "") or page.run.workflow.name
    content = FormContent(title=title, introduction=content.introduction, fields=content.fields)
    context = form_context(content, answer, notice=notice, page=page.pk, due_at=page.due_at)
    return render_public_page(request, "form", context, trigger=trigger, status=status)


def _poll_seconds(visit: Visit) -> int:
    """The time until the next look: longer when nothing came for long."""
    age = timezone.now() - visit.event.received_at
    return 2 if age < dt.timedelta(minutes=1) else 10 if age < dt.timedelta(minutes=30) else 60


def _thank(request: HttpRequest, trigger: FormTrigger | None) -> HttpResponse:
    words = (trigger.confirmation if trigger else "") or _("Your answers were received. You can close this page.")
    return render_public_page(request, "message", {"title": _("Thank you"), "message": words}, trigger=trigger)


def _over_page(request: HttpRequest) -> HttpResponse:
    words = _("This page has already been answered, or its deadline has passed.")
    return render_public_page(request, "message", {"title": _("Page closed"), "message": words}, status=410)


def _missing_page(request: HttpRequest) -> HttpResponse:
    words = _("There is no form at this address. Check the link, or ask the person who sent it to you.")
    return render_public_page(request, "message", {"title": _("Form not found"), "message": words}, status=404)
