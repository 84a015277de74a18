"""Passwords that a person must change at the next sign-in, because an administrator chose them.

`automate_governance.middleware.PasswordChangeMiddleware` leads such a person to the form; nothing else works until they
have changed it. API tokens are not affected: they belong to programs, and have an end of their own.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from automate_governance import audit
from automate_governance.models import PasswordChange
from automate_governance.permissions import Person

SESSION_KEY = "automate_must_change_password"
MIDDLEWARE = "automate_governance.middleware.PasswordChangeMiddleware"


def is_enforced() -> bool:
    """Whether the project has the middleware."""
    return MIDDLEWARE in settings.MIDDLEWARE


def is_required(person: Any) -> bool:
    """Whether the person must change the password at the next sign-in."""
    return bool(person.pk) and PasswordChange.objects.filter(person=person).exists()


def require_change(person: Any, *, by: Person) -> None:
    """Have the person change the password at the next sign-in. Audited."""
    _change, is_new = PasswordChange.objects.get_or_create(person=person)
    if is_new:
        audit.record(by, "user.password_change_required", person)


def end_requirement(request: HttpRequest) -> None:
    """The signed-in person has changed the password."""
    PasswordChange.objects.filter(person=request.user.pk).delete()
    request.session.pop(SESSION_KEY, None)


def connect() -> None:
    """Look at a sign-in whether the person must change the password."""
    user_logged_in.connect(_remember_at_sign_in, dispatch_uid="automate_password_changes")


def _remember_at_sign_in(request: HttpRequest, user: Any, **_signal: Any) -> None:
    if hasattr(request, "session") and is_enforced() and is_required(user):
        request.session[SESSION_KEY] = True


class OtherPasswordValidator:
    """Refuses the password that the person has now: a change that changes nothing."""

    def validate(self, password: str, user: Any = None) -> None:
        """Raises ValidationError."""
        if user is not None and user.pk and check_password(password, user.password):
            raise ValidationError(_("Choose a password that you do not have now."), code="password_unchanged")

    def get_help_text(self) -> str:
        return _("A changed password must differ from the one before.")
