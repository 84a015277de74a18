"""Page on the sign-in of an account: its lock, its sessions, and the end of both."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from automate_governance import sign_in
from automate_governance.people import password_changes, sessions
from automate_governance.people.names import sign_in_name
from automate_governance.people.role_giving import may_give_roles
from automate_governance.permissions import Person
from automate_governance.texts import translated
from automate_studio.people.hand_over import object_url
from automate_ui.admin_page import render_page
from automate_ui.formatting import format_count
from automate_ui.navigation.http import HttpResponseSeeOther, current_person


@require_http_methods(["GET", "HEAD", "POST"])
def account_sign_in(request: HttpRequest, pk: str) -> HttpResponse:
    """The page, for people who may change accounts; a POST unlocks, or ends the sessions."""
    if not may_give_roles(request.user):
        raise PermissionDenied
    person = _get_person(pk)
    if request.method == "POST":
        _perform(request, person)
        return HttpResponseSeeOther(request.path)
    try:
        count, problem = sessions.count_sessions(person), ""
    except sessions.SessionsUnknownError as error:
        count, problem = 0, translated(error.args[0])
    return render_page(
        request,
        "automate_studio/people/sign_in.html",
        _("Sign-in of %(person)s") % {"person": sign_in_name(person)},
        person=person,
        lock=lock_text(person),
        is_locked=bool(sign_in.locked_seconds(sign_in_name(person))),
        is_enforced=password_changes.is_enforced() and person.has_usable_password(),
        must_change=password_changes.is_required(person),
        count=count,
        problem=problem,
        back=object_url(person),
    )


def lock_text(person: Any) -> str:
    """Whether the sign-in of an account is locked, and for how long."""
    seconds = sign_in.locked_seconds(sign_in_name(person)) if person.pk else 0
    minutes = -(-seconds // 60)
    if not minutes:
        return _("Not locked")
    words = ngettext("Locked for %(count)s minute", "Locked for %(count)s minutes", minutes)
    return words % {"count": format_count(minutes)}


def _perform(request: HttpRequest, person: Person) -> None:
    if request.POST.get("do") == "unlock":
        sign_in.unlock(name=sign_in_name(person))
        messages.success(request, _("%(person)s can sign in again.") % {"person": sign_in_name(person)})
    elif request.POST.get("do") == "require_password":
        password_changes.require_change(person, by=current_person(request))
        said = _("%(person)s must change the password at the next sign-in.")
        messages.success(request, said % {"person": sign_in_name(person)})
    elif request.POST.get("do") == "end_sessions":
        try:
            count = sessions.end_sessions(person, by=current_person(request))
        except sessions.SessionsUnknownError as error:
            messages.error(request, translated(error.args[0]))
            return
        words = ngettext("%(count)s session was ended.", "%(count)s sessions were ended.", count)
        (messages.success if count else messages.warning)(request, words % {"count": format_count(count)})


def _get_person(pk: str) -> Person:
    try:
        return get_user_model()._default_manager.get(pk=pk)
    except (get_user_model().DoesNotExist, ValueError, ValidationError) as error:
        raise Http404 from error
