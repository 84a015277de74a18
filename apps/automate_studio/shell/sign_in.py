"""Sign-in and sign-out for approvers who are not staff, whom the admin's own page refuses."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse_lazy
from django.utils.translation import gettext, ngettext
from unfold.forms import AuthenticationForm as AdminSignInForm

from automate_governance.admin_site import admin_site, reverse
from automate_governance.sign_in import get_attempt


class SignInForm(AdminSignInForm):  # type: ignore[misc]
    """The admin's form, for any active account."""

    error_messages = AuthenticationForm.error_messages
    confirm_login_allowed = AuthenticationForm.confirm_login_allowed

    def get_invalid_login_error(self) -> ValidationError:
        """After too many attempts, the time of the next one."""
        attempt = get_attempt(self.request)
        if attempt.is_paced:
            return ValidationError(
                gettext("Many sign-ins come from your network at the moment. Try again in a few seconds.")
            )
        if seconds := attempt.locked:
            minutes = -(-seconds // 60)
            return ValidationError(
                ngettext(
                    "Too many failed sign-ins. Wait %(minutes)s minute or ask an administrator to unlock the account.",
                    "Too many failed sign-ins. Wait %(minutes)s minutes or ask an administrator to unlock the account.",
                    minutes,
                )
                % {"minutes": minutes},
                code="locked",
            )
        return ValidationError(gettext("The user name or password is wrong."), code="invalid_login")


class SignInView(LoginView):
    """The admin's page for signing in, for any active account."""

    template_name = "admin/login.html"
    authentication_form = SignInForm

    def dispatch(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        """Redirects signed-in people who are not staff to their tasks."""
        if request.method == "GET" and request.user.is_authenticated and not request.user.is_staff:
            return redirect("studio:approval_list")
        return super().dispatch(request, *args, **options)

    def get_default_redirect_url(self) -> str:
        """The first page for staff, tasks for others, unless another page was requested."""
        return reverse("admin:index" if self.request.user.is_staff else "studio:approval_list")

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Context of the admin's own page."""
        here = self.request.get_full_path()
        context = {"title": gettext("Sign in"), **context}
        return {**admin_site().each_context(self.request), "app_path": here, **super().get_context_data(**context)}


sign_in = login_not_required(SignInView.as_view())
sign_out = LogoutView.as_view(next_page=reverse_lazy("studio:sign_in"))
