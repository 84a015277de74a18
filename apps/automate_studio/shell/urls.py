"""URLs of signing in and out."""

from __future__ import annotations

from django.urls import path

from automate_studio.shell.sign_in import sign_in, sign_out

urlpatterns = [
    path("sign-in/", sign_in, name="sign_in"),
    path("sign-out/", sign_out, name="sign_out"),
]
