"""Webhooks, secrets and model budgets as people see them: what needs attention first, and nothing that is secret."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.db import connection as database_connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm

from automate_connectors.models import Connection
from automate_core.models import WebhookEndpoint
from automate_core.webhooks import endpoints
from automate_core.webhooks.tally import tally
from automate_governance.models import StoredSecret
from automate_governance.secrets.keyring import generate_key
from automate_llm import budgets
from automate_llm.models import LLMBudget, LLMUsage
from tests.support.events import came_to
from tests.support.pages import WEBHOOK_LIST, Page, rows_of

pytestmark = pytest.mark.django_db(transaction=True)

SECRETS = reverse("admin:automate_governance_storedsecret_changelist")
BUDGETS = reverse("admin:automate_llm_llmbudget_changelist")
ONE = "name: Takes\nslug: takes\ntriggers: [{endpoint: github}]\nsteps: [{key: a, action: data.set, inputs: {x: 1}}]"
PASTED = "pasted-canary-secret-of-32-letters"


def words(answer):
    return " ".join(re.sub(r"<[^>]*>", " ", answer.content.decode()).split())


def count(client, url):
    client.get(url)
    with CaptureQueriesContext(database_connection) as queries:
        client.get(url)
    return len(queries)


def secret(owner, name, value="value-of-the-tests-1234"):
    made = StoredSecret(name=name, owner=owner)
    made.put(value)
    made.save()
    return made


# --- webhooks ---------------------------------------------------------------------------------------------------------


def test_webhooks_that_reject_come_first(endpoint, workflow, deliver, sign_in, owner):
    made = workflow(ONE)
    endpoints.save_endpoint("calm", scheme="unsigned", config={}, secret=None, actor=owner)
    endpoints.save_endpoint("off", scheme="unsigned", config={}, secret=None, actor=owner, enabled=False)
    came_to("calm", trace_id="1" * 32)
    assert deliver().status_code == 202 and deliver(secret="y" * 32).status_code == 401
    tally.flush()
    client = sign_in(owner)
    found = rows_of(client, WEBHOOK_LIST)
    assert [row.split()[0] for row in found] == ["github", "calm", "off"]
    assert "/hooks/github/ Rejecting GitHub" in found[0] and "1 1 Takes" in found[0]
    assert "Receiving Unsigned" in found[1] and "1 0 Not used" in found[1] and "Off" in found[2]
    page = client.get(WEBHOOK_LIST).content.decode()
    assert f'data-copy="{endpoints.endpoint_url(endpoint)}"' in page
    assert reverse("admin:automate_core_workflow_change", args=[made.pk]) in page
    assert [row.split()[0] for row in rows_of(client, WEBHOOK_LIST, show="receiving")] == ["calm"]
    assert [row.split()[0] for row in rows_of(client, WEBHOOK_LIST, q="hub")] == ["github"]
    assert [row.split()[0] for row in rows_of(client, WEBHOOK_LIST, scheme="unsigned")] == ["calm", "off"]


@pytest.mark.extended
def test_many_webhooks_cost_no_more_and_strangers_see_none(endpoint, workflow, sign_in, owner, colleague, stranger):
    workflow(ONE)
    client = sign_in(owner)
    before = count(client, WEBHOOK_LIST)
    for number in range(30):
        made, _ = endpoints.save_endpoint(f"w{number}", scheme="unsigned", config={}, secret=None, actor=owner)
        came_to(made.slug, trace_id="1" * 32)
    assert count(client, WEBHOOK_LIST) <= before
    assert "1 to 24 of 31" in words(client.get(WEBHOOK_LIST))
    assign_perm("view_webhookendpoint", colleague, endpoint)
    assert [row.split()[0] for row in rows_of(sign_in(colleague), WEBHOOK_LIST)] == ["github"]
    assert "Takes" not in words(sign_in(colleague).get(WEBHOOK_LIST)), "the workflow is not theirs to know"
    assert "1 workflow" in words(sign_in(colleague).get(WEBHOOK_LIST))
    assert (
        "No webhooks yet" in words(sign_in(stranger).get(WEBHOOK_LIST))
        and rows_of(sign_in(stranger), WEBHOOK_LIST) == []
    )


@pytest.mark.extended
def test_a_webhook_is_created_by_the_builders_form(sign_in, owner, workflow):
    client = sign_in(owner)
    add = reverse("admin:automate_core_webhookendpoint_add")
    made = workflow(ONE.replace("triggers: [{endpoint: github}]", "triggers: [{endpoint: new}]"), publish=False)
    builder = client.get(reverse("studio:builder", args=[made.pk]), {"step": "~trigger"}).content.decode()
    named = re.compile(r'<(?:input|select)[^>]*\sname="([a-z_]+)"')
    fields = set(named.findall(client.get(add).content.decode().partition("da-object-form")[2].partition("</form>")[0]))
    assert {"scheme", "slug", "secret_value", "hmac_header"} <= fields
    in_builder = builder.partition("data-create-endpoint")[2].partition("</form>")[0]
    assert set(named.findall(in_builder)) == fields - {"csrfmiddlewaretoken"}
    answer = client.post(add, {"scheme": "github", "slug": "orders"})
    made = WebhookEndpoint.objects.get(slug="orders")
    fresh = StoredSecret.objects.get(name="hook-orders").reveal()
    assert answer.status_code == 200 and fresh in answer.content.decode() and "no-store" in answer["Cache-Control"]
    page = reverse("admin:automate_core_webhookendpoint_change", args=[made.pk])
    assert fresh not in client.get(page).content.decode(), "it is shown once"
    assert client.post(add, {"scheme": "github", "slug": "pasted", "secret_value": PASTED}).status_code == 200
    assert StoredSecret.objects.get(name="hook-pasted").reveal() == PASTED
    kept = {"scheme": "github", "secret_choice": "database:hook-orders", "overlap_hours": "3"}
    assert client.post(page, kept).status_code == 302
    made.refresh_from_db()
    assert (made.enabled, made.secret, made.old_secret) == (False, "database:hook-orders", "")
    assert client.post(page, {**kept, "secret_choice": "", "secret_value": PASTED}).status_code == 302
    made.refresh_from_db()
    assert (made.secret, made.old_secret) == ("database:hook-orders-2", "database:hook-orders")


def test_a_new_webhook_asks_who_sends_and_for_one_way_to_give_the_secret(sign_in, admin):
    add = reverse("admin:automate_core_webhookendpoint_add")
    client = sign_in(admin)
    html = client.get(add).content.decode()
    senders = re.search(r'<select name="scheme".*?</select>', html, re.DOTALL)[0]
    assert re.findall(r'value="(\w*)"', senders)[:5] == ["", "hmac", "bearer", "basic", "unsigned"]
    assert re.search(r'<option value="" selected>\s*Choose who sends', senders)
    folded = html.partition('class="da-fold"')[2].partition("</details>")[0]
    assert (
        "hmac_event_header" in folded
        and "hidden" in folded.partition(">")[0]
        and " open" not in folded.partition(">")[0]
    )
    assert "Choose who sends." in words(client.post(add, {"slug": "new", "scheme": ""}))
    given = {"scheme": "bearer", "slug": "new", "secret_choice": "new:", "secret_value": ""}
    assert "Paste the secret, or choose to generate one." in words(client.post(add, given))
    stale = {**given, "secret_choice": "none:", "secret_value": PASTED}
    assert client.post(add, stale).status_code == 200
    assert StoredSecret.objects.get(name="hook-new").reveal() != PASTED, "a text that is hidden does not count"


def test_only_who_takes_a_generated_secret_is_offered_one_in_a_form_drawn_anew(sign_in, admin):
    client, add = sign_in(admin), reverse("admin:automate_core_webhookendpoint_add")
    empty = {"slug": "new", "secret_choice": "new:", "secret_value": ""}

    def generating(sender):
        html = client.post(add, {**empty, "scheme": sender}).content.decode()
        return re.search(r'<option value="none:"[^>]*>', html)[0]

    given_way = generating("slack")
    assert " hidden" in given_way and " disabled" in given_way and 'data-gave-way-to="new:"' in given_way
    assert " hidden" not in generating("hmac") and " hidden" not in generating("")


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"secret_value": "short-canary"}, "shorter than 16"),
        ({"secret_value": PASTED, "slug": "Not A Slug"}, "Lowercase letters, digits"),
        (
            {"secret_value": PASTED, "scheme": "hmac", "hmac_header": "X-Sum", "hmac_event_header": "x-sum"},
            "credential",
        ),
        ({"scheme": "slack"}, "Paste the sender's secret"),
        ({"secret_other": PASTED}, "Enter a reference such as env:NAME"),
        ({"secret_choice": PASTED}, "Select a secret that you are allowed to use"),
    ],
)
def test_a_pasted_secret_is_never_sent_back(sign_in, admin, given, said):
    add = reverse("admin:automate_core_webhookendpoint_add")
    answer = sign_in(admin).post(add, {"scheme": "github", "slug": "new", **given})
    assert answer.status_code == 200 and said.lower() in words(answer).replace("&#x27;", "'").lower()
    assert b"canary" not in answer.content and not WebhookEndpoint.objects.exists()


# --- secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_secrets_without_a_key_and_without_a_use_come_first(sign_in, owner, settings):
    used, unused = secret(owner, "a-used"), secret(owner, "b-unused")
    Connection.objects.create(
        name="Shop", slug="shop", connector="http", owner=owner, config={"token": used.reference}, allowed_hosts=["a.b"]
    )
    old = settings.AUTOMATE_SECRETS_KEYS
    settings.AUTOMATE_SECRETS_KEYS = [generate_key()]
    secret(owner, "c-new")
    settings.AUTOMATE_SECRETS_KEYS = old
    client = sign_in(owner)
    found = rows_of(client, SECRETS)
    assert [row.split()[0] for row in found] == ["c-new", "b-unused", "a-used"]
    assert "v1 Key missing Database" in found[0] and "Not used" in found[1] and "In use Database Shop Never" in found[2]
    assert [row.split()[0] for row in rows_of(client, SECRETS, show="unused")] == ["b-unused"]
    assert [row.split()[0] for row in rows_of(client, SECRETS, q="used")] == ["b-unused", "a-used"]
    delete = reverse("admin:automate_governance_storedsecret_delete", args=[used.pk])
    asked = client.get(delete, headers={"HX-Request": "true"})
    assert "in use and cannot be deleted" in words(asked) and "Shop" in words(asked)
    client.post(delete, {"post": "yes"})
    assert StoredSecret.objects.filter(pk=used.pk).exists()
    url = reverse("admin:automate_governance_storedsecret_delete", args=[unused.pk])
    assert "is not used" in words(client.get(url))
    assert (
        client.post(url, {"post": "yes"}).status_code == 302 and not StoredSecret.objects.filter(pk=unused.pk).exists()
    )


@pytest.mark.extended
def test_many_secrets_cost_no_more_and_strangers_see_none(sign_in, owner, colleague, stranger):
    def use(number):
        made = secret(owner, f"s{number}")
        Connection.objects.create(
            name=f"C{number}", slug=f"c{number}", connector="http", owner=owner, config={"token": made.reference}
        )
        return made

    first = use(0)
    client = sign_in(owner)
    before = count(client, SECRETS)
    for number in range(1, 30):
        use(number)
    assert count(client, SECRETS) <= before and "1 to 24 of 30" in words(client.get(SECRETS))
    assign_perm("use_storedsecret", colleague, first)
    assert [row.split()[0] for row in rows_of(sign_in(colleague), SECRETS)] == ["s0"]
    assert "C0" not in words(sign_in(colleague).get(SECRETS)) and "1 connection" in words(
        sign_in(colleague).get(SECRETS)
    )
    assert "No secrets yet" in words(sign_in(stranger).get(SECRETS))
    assert sign_in(None).get(SECRETS).status_code == 302


def test_references_to_other_backends_are_for_those_who_may_use_any_secret(sign_in, owner, admin):
    Connection.objects.create(
        name="Shop", slug="shop", connector="http", owner=owner, config={"token": "env:vendor"}, allowed_hosts=["a.b"]
    )
    secret(owner, "stored")
    assert "vendor env Shop" in words(sign_in(admin).get(SECRETS))
    assert "vendor" not in words(sign_in(owner).get(SECRETS))


# --- budgets ----------------------------------------------------------------------------------------------------------


def spend(workflow, cost, tokens):
    LLMUsage.objects.create(
        workflow=workflow, at=timezone.now(), day=budgets.today(), provider="p", model="m", status="answered",
        tokens_in=tokens, tokens_out=0, cost=Decimal(cost),
    )  # fmt: skip


def test_a_comma_never_makes_a_budget_a_hundred_times_larger(workflow, sign_in, admin):
    """A browser's own number field drops the comma before anybody sees it: numbers are typed as text."""
    made = workflow(ONE)
    client, add = sign_in(admin), reverse("admin:automate_llm_llmbudget_add")
    section = reverse("studio:builder_budget", args=[made.pk])
    for url, name, also in ((add, "max_cost", {"period": "month"}), (section, "month_cost", {})):
        assert Page(client.get(url)).ids[f"id_{name}"]["type"] == "text"
        answer = client.post(url, {name: "12,50", **also})
        assert "12,50 is not a number. Enter 12.5." in Page(answer).text
        assert Page(answer).ids[f"id_{name}"]["value"] == "12,50" and not LLMBudget.objects.exists()
    said = Page(client.post(section, {"month_tokens": "1,000"})).text
    assert "1,000 is not a whole number. Enter 1000." in said
    client.post(section, {"month_cost": "12.50"})
    assert LLMBudget.objects.get().max_cost == Decimal("12.50")


def test_budgets_that_are_used_up_come_first(workflow, sign_in, admin, owner):
    workflow(ONE)
    LLMBudget.objects.create(workflow="", period="month", max_cost=Decimal("10"))
    LLMBudget.objects.create(workflow="takes", period="day", max_cost=Decimal("2"), max_tokens=1_000)
    spend("takes", "1.5", 1_200)
    spend("other", "7", 10)
    client = sign_in(admin)
    found = rows_of(client, BUDGETS)
    assert found[0].startswith("Takes Per day Limit reached 1.50 of 2.00 USD 75% 1,200 of 1,000 tokens 120%")
    assert found[1].startswith("Whole site Per month Near limit 8.50 of 10.00 USD 85%")
    assert "the owner" in found[0]
    assert len(rows_of(client, BUDGETS, show="near")) == 1 and len(rows_of(client, BUDGETS, q="takes")) == 1
    before = count(client, BUDGETS)
    for number in range(30):
        LLMBudget.objects.create(workflow=f"w{number}", period="day", max_tokens=5)
    assert count(client, BUDGETS) <= before
    assert sign_in(owner).get(BUDGETS).status_code == 403
    page = words(
        client.get(reverse("admin:automate_llm_llmbudget_change", args=[LLMBudget.objects.get(workflow="").pk]))
    )
    assert "8.50 of 10.00 USD" in page and f"Resets {_next_month()}" in page


def _next_month():
    first = (budgets.today().replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return f"{first:%-d %b %Y}"


def test_empty_lists_offer_one_action(sign_in, owner, admin):
    for url, action, person in (
        (WEBHOOK_LIST, reverse("admin:automate_core_webhookendpoint_add"), owner),
        (SECRETS, reverse("admin:automate_governance_storedsecret_add"), owner),
        (reverse("admin:automate_connectors_connection_changelist"),
         reverse("admin:automate_connectors_connection_add"), owner),
        (BUDGETS, reverse("admin:automate_llm_llmbudget_add"), admin),
    ):  # fmt: skip
        empty = sign_in(person).get(url).content.decode().partition('class="da-nothing"')[2].partition("</section>")[0]
        assert re.findall(r'href="([^"]+)"', empty) == [action], url
