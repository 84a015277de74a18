"""URLs of a person's preferences, of handing over an account, and of its sign-in."""

from __future__ import annotations

from django.urls import path

from automate_studio.people.hand_over import hand_over
from automate_studio.people.preferences import preferences
from automate_studio.people.sign_ins import account_sign_in
from automate_ui.view_access import signed_in, staff

urlpatterns = [
    path("preferences/", signed_in(preferences), name="preferences"),
    staff("people/<str:pk>/hand-over/", hand_over, "hand_over"),
    staff("people/<str:pk>/sign-in/", account_sign_in, "account_sign_in"),
]
