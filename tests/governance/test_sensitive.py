"""What is better not offered to workflows, and what a browser keeps to itself."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks

OFFERED = {
    "auth.User": {"read": ["email", "password"]},
    "auth.Group": {"write": ["name"]},
    "auth.Permission": {"read": ["codename"]},
    "auth.User_groups": {"write": ["user", "group"]},
    "sessions.Session": {"read": ["expire_date"]},
    "guardian.UserObjectPermission": {"write": ["object_pk"]},
}
HARMLESS = {
    "auth.User": {"read": ["email", "is_staff"], "write": ["email", "is_active"]},
    "contenttypes.ContentType": {"read": ["model"]},
}


def _warned(of):
    return {each.msg.split(" ")[1] for each in run_checks() if each.id == of}


def test_the_check_warns_of_models_that_hold_secrets_or_rights(settings):
    settings.AUTOMATE_MODELS = OFFERED
    assert _warned("automate_connectors.W003") == {*OFFERED}
    settings.AUTOMATE_MODELS = {"auth.User": {"write": ["is_superuser"]}}
    assert _warned("automate_connectors.W003") == {"auth.User"}
    settings.AUTOMATE_MODELS = HARMLESS
    assert not _warned("automate_connectors.W003")
    watched = ("auth.User", "automate_governance.StoredSecret", "contenttypes.ContentType")
    settings.AUTOMATE_MODEL_TRIGGERS = {label: {"fields": "__all__"} for label in watched}
    assert _warned("automate_core.W002") == {*watched[:2]}


@pytest.mark.django_db
def test_no_script_reads_the_csrf_cookie_and_pages_post_without_it(client, admin):
    client.handler.enforce_csrf_checks = True
    page = client.get("/admin/login/")
    assert page.cookies["csrftoken"]["httponly"]
    token = page.context["csrf_token"]
    given = {"username": "root", "password": "password-of-tests", "csrfmiddlewaretoken": token, "next": "/admin/"}
    assert client.post("/admin/login/", given).status_code == 302
