"""Every page as each role: whoever may open it finds no script error, failed load or refusal of the policy on it."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from guardian.shortcuts import assign_perm

from automate_core.models import Workflow
from tests.support.browser import watch

pytestmark = pytest.mark.django_db(transaction=True)

ROLES = ["Auditors", "Builders", "Connection admins", "Operators", "owner", "colleague"]


@pytest.fixture
def person(request, places, owner, colleague):
    """Somebody of that role; the colleague may view the workflow alone."""
    assign_perm("view_workflow", colleague, Workflow.objects.get(slug="triage"))
    if request.param in {"owner", "colleague"}:
        return {"owner": owner, "colleague": colleague}[request.param]
    made = get_user_model().objects.create_user("somebody", password="password-of-tests", is_staff=True)
    made.groups.set(Group.objects.filter(name=request.param))
    return made


@pytest.mark.extended
@pytest.mark.parametrize("person", ROLES, indirect=True)
def test_no_page_has_faults_for_whoever_may_open_it(places, person, page, site, faults):
    client = Client()
    client.force_login(person)
    open_to_them = {name: path for name, path in places.items() if client.get(path, follow=True).status_code == 200}
    assert {"overview", "workflows", "runs", "run", "approvals"} & open_to_them.keys()
    watch(page)
    page.context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": site}])
    found = {}
    for name, path in open_to_them.items():
        page.goto(site + path)
        page.wait_for_function("!document.documentElement.hasAttribute('x-cloak')")
        assert page.locator("#id_password").count() == 0 or name in {"user", "password"}, f"{name}: not signed in"
        if said := faults(page):
            found[name] = said
            page.faults.clear()
    assert found == {}
