"""Shares that have no effect yet: they are said to have none, and those who give roles can give what is missing."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from automate_core.models import Workflow
from automate_governance import sharing
from automate_governance.models import AuditEntry
from automate_governance.permissions import can
from tests.support.pages import Page
from tests.support.people import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def flow(owner):
    return Workflow.objects.create(name="Flow", slug="flow", owner=owner, run_as=owner)


@pytest.fixture
def clerk(db):
    """Somebody without a role and without staff status."""
    return make_person("clerk", staff=False)


def url(flow):
    return reverse("studio:share", args=["workflow", flow.pk])


def share(client, flow, name="clerk", **data):
    return client.post(url(flow), {"name": name, **data}, headers={"HX-Request": "true"})


def test_a_share_without_effect_says_so_and_whom_to_ask(flow, sign_in, owner, admin, clerk):
    panel = Page(share(sign_in(owner), flow, preset="viewer"))
    assert panel.status == 200 and panel.all(role="alert")
    assert "clerk cannot open this site yet: staff status is missing." in panel.text
    assert "No effect for clerk" in panel.text and "In effect: nothing" in panel.text
    assert "Ask an administrator (root) to give the role Viewers and staff status." in panel.text
    assert not panel.all(name="cure")


def test_those_who_give_roles_cure_it_with_one_click(flow, sign_in, owner, admin, clerk):
    client = sign_in(admin)
    panel = Page(share(client, flow, preset="viewer"))
    assert "Give the role Viewers and staff status" in panel.text
    [cure] = panel.all(name="cure")
    after = Page(client.post(url(flow), {"cure": cure["value"]}, headers={"HX-Request": "true"}))
    clerk.refresh_from_db()
    assert clerk.is_staff and [group.name for group in clerk.groups.all()] == ["Viewers"]
    assert "In effect: view" in after.text and "No effect" not in after.text and not after.all(name="cure")
    assert can(clerk, "view", flow) and not can(clerk, "run", flow)
    verbs = {"user.groups_changed", "user.changed"}
    assert verbs <= set(AuditEntry.objects.filter(object="clerk", actor="root").values_list("verb", flat=True))
    page = sign_in(clerk).get(reverse("admin:automate_core_workflow_change", args=[flow.pk]))
    assert page.status_code == 200 and "Flow" in Page(page).text


@pytest.mark.parametrize("who", ["owner", "colleague", "stranger"])
def test_nobody_else_gives_roles(request, flow, sign_in, owner, clerk, colleague, who):
    sharing.grant(flow, colleague, ["view", "share"], by=owner)
    sharing.grant(flow, clerk, ["view"], by=owner)
    client = sign_in(request.getfixturevalue(who))
    answer = client.post(url(flow), {"cure": f"user:{clerk.pk}"}, headers={"HX-Request": "true"})
    clerk.refresh_from_db()
    assert answer.status_code == (404 if who == "stranger" else 403)
    assert not clerk.is_staff and not clerk.groups.exists()


def test_a_cure_gives_no_more_than_a_grant_needs(flow, sign_in, admin, owner, clerk, stranger):
    """Not to people without a grant, and nothing when nothing is missing."""
    client = sign_in(admin)
    sharing.grant(flow, stranger, ["view"], by=owner)
    assert client.post(url(flow), {"cure": f"user:{clerk.pk}"}).status_code == 422
    assert client.post(url(flow), {"cure": f"user:{stranger.pk}"}).status_code == 303
    assert not clerk.groups.exists() and [group.name for group in stranger.groups.all()] == ["Builders"]


def test_the_smallest_role_that_includes_the_verbs_is_offered(flow, admin, clerk):
    for verbs, roles in ((["view"], ("Viewers",)), (["run", "operate"], ("Viewers",)), (["change"], ("Builders",))):
        sharing.grant(flow, clerk, verbs, by=admin)
        [grant] = sharing.list_grants(flow)
        assert (grant.cure.roles, grant.cure.staff) == (roles, True)
        sharing.revoke(flow, clerk, verbs, by=admin)


def test_members_of_a_group_who_gain_nothing_are_cured_together(flow, sign_in, admin, clerk, colleague):
    team = Group.objects.create(name="Team")
    team.user_set.add(clerk, colleague)
    client = sign_in(admin)
    panel = Page(share(client, flow, "Team", preset="operator"))
    assert "clerk cannot open this site yet" in panel.text
    client.post(url(flow), {"cure": panel.all(name="cure")[0]["value"]})
    assert clerk.groups.filter(name="Viewers").exists() and not colleague.groups.filter(name="Viewers").exists()
    assert can(clerk, "run", flow)


def test_presets_are_what_the_person_may_grant(flow, sign_in, owner, admin, stranger):
    assert share(sign_in(owner), flow, "stranger", preset="operator").status_code == 403, "owners do not hold operate"
    assert share(sign_in(owner), flow, "stranger", preset="user").status_code == 200
    [grant] = sharing.list_grants(flow)
    assert grant.verbs == ("view", "view_payload", "run")
    share(sign_in(admin), flow, "stranger", preset="operator")
    [grant] = sharing.list_grants(flow)
    assert grant.verbs == ("view", "view_payload", "run", "operate")
    share(sign_in(admin), flow, "stranger", preset="editor", verb="delete")
    [grant] = sharing.list_grants(flow)
    assert grant.verbs == ("view", "view_payload", "change", "run", "operate", "publish", "delete")
    assert share(sign_in(owner), flow, "stranger", preset="king").status_code == 422


def test_a_preset_of_a_verb_that_one_lacks_is_refused(flow, sign_in, owner, colleague, stranger):
    sharing.grant(flow, colleague, ["view", "share"], by=owner)
    client = sign_in(colleague)
    inputs = {each["value"]: each for each in Page(client.get(url(flow))).all(name="preset")}
    assert inputs.keys() == {"viewer", "user", "operator", "editor"} and "disabled" in inputs["editor"]
    assert "You can only grant permissions that you have." in Page(client.get(url(flow))).text
    assert share(client, flow, "stranger", preset="editor").status_code == 403
    assert not can(stranger, "view", flow)


def test_names_are_suggested_while_typing(flow, sign_in, owner, colleague, stranger, admin):
    team, other = Group.objects.create(name="Sales team"), Group.objects.create(name="Other team")
    team.user_set.add(owner, colleague)
    other.user_set.add(stranger)

    def suggested(person, begun):
        page = sign_in(person).get(reverse("studio:share_names", args=["workflow", flow.pk]), {"name": begun})
        return {each["value"] for tag, each in Page(page).tags if tag == "option"}

    assert suggested(owner, "team") == {"Sales team"} and suggested(owner, "colle") == {"colleague"}
    assert suggested(owner, "strang") == set(), "of no team of the owner"
    get_user_model().objects.filter(pk=colleague.pk).update(first_name="Carla", last_name="Colleague", email="cc@x.org")
    for begun in ("Carla Colleague", "colleague carla", " carla  coll "):
        assert suggested(owner, begun) == {"colleague"}, begun
    assert suggested(admin, "carla cc@x.org") == {"colleague"} and suggested(owner, "carla cc@x.org") == set()
    assert suggested(admin, "strang") == {"stranger"} and suggested(admin, "team") == {"Sales team", "Other team"}


def test_operators_see_connections_and_webhooks_without_changing_them(endpoint, owner, sign_in):
    operator = make_person("opa", "Operators")
    assert can(operator, "view", endpoint) and not can(operator, "view_payload", endpoint)
    assert not can(operator, "change", endpoint)
    for model in ("automate_core_webhookendpoint", "automate_connectors_connection"):
        assert sign_in(operator).get(reverse(f"admin:{model}_changelist")).status_code == 200
    page = sign_in(operator).get(reverse("admin:automate_core_webhookendpoint_change", args=[endpoint.pk]))
    assert page.status_code == 200 and not Page(page).all(name="_save")


def test_the_role_of_viewers_reaches_nothing_by_itself():
    held = Permission.objects.filter(group__name="Viewers").values_list("codename", flat=True)
    assert set(held) >= {"view_workflow", "view_connection", "view_webhookendpoint"}
    assert not [name for name in held if "_any_" in name or name.startswith(("add_", "change_", "use_"))]


def test_a_link_to_the_builder_leads_viewers_to_the_page(flow, sign_in, owner, colleague, stranger):
    builder = reverse("studio:builder", args=[flow.pk])
    page = reverse("admin:automate_core_workflow_change", args=[flow.pk])
    sharing.grant(flow, colleague, ["view"], by=owner)
    answer = sign_in(colleague).get(builder, follow=True)
    assert answer.redirect_chain == [(page, 302)] and "you need the Change permission" in Page(answer).text
    assert sign_in(owner).get(builder).status_code == 200 and sign_in(stranger).get(builder).status_code == 404


@pytest.mark.parametrize("kind", ["user", "group"])
def test_all_is_revoked_at_once_and_what_is_left_without_view_is_said_to_be_of_no_use(kind, flow, sign_in, owner):
    builders = Group.objects.get(name="Builders")
    heir = make_person("heir", "Builders")
    grantee = heir if kind == "user" else builders
    sharing.grant(flow, grantee, ["view", "view_payload", "run", "change"], by=owner)
    client, who = sign_in(owner), f"{kind}:{grantee.pk}"
    assert "View is missing" not in Page(client.get(url(flow))).text
    left = Page(client.post(url(flow), {"revoke": who, "verb": "view"}, headers={"HX-Request": "true"}))
    assert "View is missing: heir cannot open it" in left.text
    assert sign_in(heir).get(reverse("admin:automate_core_workflow_change", args=[flow.pk])).status_code in (302, 404)
    label = {"user": "heir", "group": "Builders"}[kind]
    [button] = left.all(aria_label=f"Revoke all from {label}")
    start = left.tags.index(("button", button))
    fields = [found for tag, found in left.tags[:start] if tag == "input"]
    verbs = [found["value"] for found in fields[-3:]]
    assert verbs == ["view_payload", "change", "run"] and {found["name"] for found in fields[-3:]} == {"verb"}
    after = Page(client.post(url(flow), {"revoke": who, "verb": verbs}, headers={"HX-Request": "true"}))
    assert "Not shared." in after.text and not sharing.list_grants(flow)
    entry = AuditEntry.objects.filter(verb="workflow.unshared").latest("pk")
    assert entry.changes["verbs"] == verbs


def test_publish_is_not_in_effect_for_whom_the_run_as_user_bars_from_it(flow, sign_in, admin, colleague, stranger):
    Workflow.objects.filter(pk=flow.pk).update(run_as=admin)
    client = sign_in(admin)
    assert share(client, flow, colleague.username, preset="editor").status_code == 200
    panel = Page(client.get(url(flow))).text
    assert "The workflow runs as root. Only root or a superuser can publish it." in panel
    shown = panel.split("In effect: ")[1].split(".")[0]
    assert "change" in shown and "publish" not in shown.split("The workflow")[0]
    Workflow.objects.filter(pk=flow.pk).update(run_as=colleague)
    panel = Page(client.get(url(flow))).text
    assert "publish" in panel.split("In effect: ")[1][:80]
