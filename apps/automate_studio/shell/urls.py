"""URLs of signing in and out, and of the texts of the scripts."""

from __future__ import annotations

from django.urls import path

from automate_studio.shell.script_messages import script_messages
from automate_studio.shell.sign_in import sign_in, sign_out

urlpatterns = [
    path("messages.<str:language>.js", script_messages, name="script_messages"),
    path("sign-in/", sign_in, name="sign_in"),
    path("sign-out/", sign_out, name="sign_out"),
]
