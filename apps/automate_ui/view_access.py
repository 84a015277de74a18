"""Access to views: URL patterns for staff, and views for everyone who has signed in."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import resolve_url
from django.views.decorators.cache import never_cache

from automate_governance.admin_site import reverse
from automate_ui.navigation.admin_pages import View, staff, within_admin

__all__ = ["View", "signed_in", "staff"]


def signed_in(view: View) -> View:
    """The view for everyone who has signed in, staff or not.

    Others are redirected to LOGIN_URL, or to the studio's own sign-in page where that is the admin's, for staff only.
    """

    inner = within_admin(view)

    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            return inner(request, *args, **options)
        sign_in = resolve_url(settings.LOGIN_URL)
        return redirect_to_login(
            request.get_full_path(), reverse("studio:sign_in") if sign_in == reverse("admin:login") else sign_in
        )

    return guarded
