"""URLs of a person's preferences and of handing over an account."""

from __future__ import annotations

from django.urls import path

from automate_studio.people.hand_over import hand_over
from automate_studio.people.preferences import preferences
from automate_studio.ui.view_access import signed_in, staff

urlpatterns = [
    path("preferences/", signed_in(preferences), name="preferences"),
    staff("people/<str:pk>/hand-over/", hand_over, "hand_over"),
]
