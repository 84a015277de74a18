"""Faulty signature schemes, notification channels, triggers and expression filters: rows with a reason, never a crash."""

from __future__ import annotations

import json
import threading
from importlib.metadata import EntryPoint, entry_points

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.urls import reverse

from automate_authoring.definitions.validation import find_problems
from automate_authoring.workflows import load_definition
from automate_connectors.adapters.polls import PollItem, PollResult
from automate_connectors.triggers.contract import PollingTrigger
from automate_connectors.triggers.registry import trigger_kinds
from automate_core.api import emit
from automate_core.database import now
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.plugin_filters import expression_filters
from automate_core.expressions.templating import budget, compile_template
from automate_core.expressions.templating.pool import POOL
from automate_core.models import Event, ExecutionRun, Notification, NotificationRule, PollState, ServiceWebhook
from automate_core.webhooks import endpoints
from automate_core.webhooks.schemes import verification
from automate_core.webhooks.schemes.registry import signature_schemes
from automate_core.webhooks.schemes.signing import hex_hmac
from automate_governance.models import StoredSecret
from automate_operations.notifications import rules, sender
from automate_operations.notifications.channels import plugin
from automate_operations.notifications.channels.contract import NotDeliveredError, NotificationChannel
from automate_operations.notifications.channels.registry import channels
from automate_operations.notifications.rule_values import RuleValues
from automate_plugins import registry as plugin_registry
from tests.contracts.planted.channels import GoodChannel
from tests.contracts.planted.filters import GoodFilter
from tests.contracts.planted.schemes import GoodScheme
from tests.contracts.planted.triggers import NewOrder, OrderEvent, StockLow
from tests.support.builder import Builder
from tests.support.pages import Page

HERE = "tests.contracts.test_faulty_groups"
SECRET = "s" * 32
RELEASED = threading.Event()
KINDS = (NewOrder, OrderEvent, StockLow)

# --- loading ----------------------------------------------------------------------------------------------------------


class AbstractScheme(GoodScheme):
    expected = GoodScheme.__mro__[1].expected


class RaisingScheme(GoodScheme):
    def __init__(self, config):
        raise RuntimeError("not today")


class BlockedScheme(GoodScheme):
    def __init__(self, config):
        RELEASED.wait()


class WrongScheme(GoodScheme):
    code = 7


class AbstractChannel(NotificationChannel):
    code = "abstract"
    name = "Abstract"


class RaisingChannel(GoodChannel):
    def __init__(self):
        raise RuntimeError("not today")


class BlockedChannel(GoodChannel):
    def __init__(self):
        RELEASED.wait()


class WrongChannel(GoodChannel):
    config_fields = ("url",)


class AbstractTrigger(NewOrder):
    poll = PollingTrigger.poll


class RaisingTrigger(NewOrder):
    def __init__(self):
        raise RuntimeError("not today")


class BlockedTrigger(NewOrder):
    def __init__(self):
        RELEASED.wait()


class WrongTrigger(NewOrder):
    sample = "any"


class AbstractFilter(GoodFilter):
    apply = GoodFilter.__mro__[1].apply


class RaisingFilter(GoodFilter):
    def __init__(self):
        raise RuntimeError("not today")


class BlockedFilter(GoodFilter):
    def __init__(self):
        RELEASED.wait()


class WrongFilter(GoodFilter):
    example = b"{{ 1 }}"


GROUPS = {
    "signature_scheme": (signature_schemes, "Scheme", "tests.contracts.planted.schemes:GoodScheme", "erp"),
    "notification_channel": (channels, "Channel", "tests.contracts.planted.channels:GoodChannel", "pager"),
    "trigger": (trigger_kinds, "Trigger", "tests.contracts.planted.triggers:NewOrder", "new_order"),
    "expression_filter": (expression_filters, "Filter", "tests.contracts.planted.filters:GoodFilter", "good"),
}
REASONS = {
    "missing": "No module named 'nowhere'",
    "base": "must be a subclass of",
    "abstract": "Can't instantiate abstract class",
    "raising": "RuntimeError: not today",
    "blocked": "did not return within 0.5 s",
    "wrong": "must be",
}


@pytest.fixture
def install(monkeypatch, settings):
    """Entry points besides the built-in ones, as (name, target) by group; all their filters are allowed."""
    registries = [registry for registry, *_ in GROUPS.values()]

    def put(**targets):
        found = {
            GROUPS[kind][0].group: [EntryPoint(name, target, GROUPS[kind][0].group) for name, target in listed]
            for kind, listed in targets.items()
        }
        monkeypatch.setattr(
            plugin_registry, "entry_points", lambda group: [*entry_points(group=group), *found.get(group, ())]
        )
        settings.AUTOMATE_EXPRESSION_FILTERS = [name for name, _ in targets.get("expression_filter", ())]
        for registry in registries:
            registry.refresh()
        POOL.close()

    yield put
    RELEASED.set()
    monkeypatch.undo()
    for registry in registries:
        registry.refresh()
    POOL.close()
    RELEASED.clear()


def faulty(kind):
    _, ending, good, _ = GROUPS[kind]
    targets = [("missing", "nowhere:Thing"), ("base", "builtins:dict"), ("good", good), ("again", good)]
    targets += [(name, f"{HERE}:{name.capitalize()}{ending}") for name in ("abstract", "raising", "blocked", "wrong")]
    return targets


@pytest.mark.matrix
@pytest.mark.django_db
@pytest.mark.parametrize("kind", GROUPS)
def test_each_fault_is_a_row_and_the_others_work(kind, install, monkeypatch, sign_in, stranger, capsys):
    monkeypatch.setattr(plugin_registry._loads, "seconds", 0.5)
    install(**{kind: faulty(kind)})
    registry, _, _, code = GROUPS[kind]
    assert code in registry.names()
    call_command("automate_plugins", "--json")
    listed = [each for each in json.loads(capsys.readouterr().out) if each["kind"] == kind]
    reasons = {each["code"]: each["error"] for each in listed if "error" in each}
    assert {name: REASONS[name] in reasons.get(name, "") for name in REASONS} == dict.fromkeys(REASONS, True), reasons
    if kind != "expression_filter":  # named by its entry point, of which there is one of each name
        [twice] = [each["error"] for each in listed if "already uses this name" in each.get("error", "")]
        assert GROUPS[kind][2] in twice
    good = next(each for each in listed if each["code"] == code)
    assert set(good) == {"kind", "code", "name", "actions", "triggers", "package", "version"}
    stranger.user_permissions.add(Permission.objects.get(codename="administer_site"))
    page = Page(sign_in(stranger).get(reverse("studio:plugin_list"), {"show": "broken"}))
    assert page.status == 200 and all(reason in page.text for reason in REASONS.values())


@pytest.mark.django_db
def test_the_list_names_all_groups_and_what_they_offer(capsys):
    call_command("automate_plugins", "--json")
    found = {(each["kind"], each["code"]): each for each in json.loads(capsys.readouterr().out)}
    assert "post_message" in found["connector", "slack"]["actions"]
    assert found["connector", "slack"]["package"] == "django-automate"
    kinds = ("secrets_backend", "env"), ("llm_provider", "openai"), ("signature_scheme", "discord")
    assert {*kinds, ("notification_channel", "email")} <= set(found)
    call_command("automate_plugins")
    assert "signature_scheme sns" in capsys.readouterr().out


# --- triggers ---------------------------------------------------------------------------------------------------------

POLLED = """
name: Orders
slug: orders
triggers:
  - {kind: poll, key: poll, poll: trigger.feed, every: 5m}
  - {kind: service, key: hook, webhook: trigger.order_event}
  - {kind: event, key: event, event: stock_low}
steps: [{key: note, action: data.set, inputs: {id: '{{ run.id }}'}}]
"""


class FeedTrigger(PollingTrigger):
    code = "feed"
    name = "Feed"
    sample = {"number": 1}
    numbers: list[int] = []

    def poll(self, params, cursor, context):
        items = [PollItem(id=str(number), time=None, data={"number": number}) for number in self.numbers]
        return PollResult(items=items, cursor=len(items))


@pytest.mark.django_db(transaction=True)
def test_kinds_of_plug_ins_start_workflows(install, workflow, drain, owner, sign_in):
    kinds = {"feed": f"{HERE}:FeedTrigger", **{each.code: f"{each.__module__}:{each.__name__}" for each in KINDS}}
    FeedTrigger.numbers = [1]
    install(trigger=list(kinds.items()))
    made = workflow(POLLED)
    assert PollState.objects.get().poll == "trigger.feed"
    assert ServiceWebhook.objects.get().webhook == "trigger.order_event"
    drain()
    FeedTrigger.numbers = [1, 2]
    PollState.objects.update(next_at=now())
    drain()
    emit("stock_low", {"item": "anvil"})
    drain()
    assert sorted(ExecutionRun.objects.values_list("origin", flat=True)) == ["app", "poll"]
    panel = Builder(sign_in(owner), made).panel("~trigger").text
    assert "Feed" in panel and "Order event" in panel and "New order" in panel
    install()
    assert "is not installed" in str(list(find_problems(load_definition(made))))


# --- signature schemes ------------------------------------------------------------------------------------------------


class ReturnsFalse(GoodScheme):
    code = "says_false"

    def match(self, secrets, delivery):
        return False


class Raises(GoodScheme):
    code = "raises"

    def match(self, secrets, delivery):
        raise RuntimeError("not today")


class NamesNoType(GoodScheme):
    code = "no_type"

    def event_type(self, headers, payload):
        return None


class NeverReturns(GoodScheme):
    code = "blocks"

    def match(self, secrets, delivery):
        RELEASED.wait()


def deliver(client, slug):
    return client.post(
        f"/hooks/{slug}/", b"{}", content_type="application/json", headers={"X-Erp-Signature": hex_hmac(SECRET, b"{}")}
    )


@pytest.mark.django_db(transaction=True)
def test_a_faulty_scheme_costs_its_own_deliveries_alone(install, monkeypatch, owner, client):
    monkeypatch.setattr(verification.PLUGIN_CALLS, "seconds", 0.5)
    classes = (GoodScheme, ReturnsFalse, Raises, NamesNoType, NeverReturns)
    install(signature_scheme=[(each.code, f"{each.__module__}:{each.__name__}") for each in classes])
    for each in classes:
        endpoints.save_endpoint(each.code.replace("_", "-"), scheme=each.code, config={}, secret=SECRET, actor=owner)
    statuses = {each.code: deliver(client, each.code.replace("_", "-")).status_code for each in classes}
    assert statuses == {"erp": 202, "says_false": 401, "raises": 503, "no_type": 503, "blocks": 503}
    assert [deliver(client, "blocks").status_code for _ in range(4)] == [503] * 4  # the last one at once
    assert Event.objects.count() == 1
    install()
    assert deliver(client, "erp").status_code == 401  # uninstalled: nothing can be verified


# --- notification channels --------------------------------------------------------------------------------------------


class Returning(GoodChannel):
    code = "returning"

    def send(self, message, config, context):
        return True


class Failing(GoodChannel):
    code = "failing"

    def send(self, message, config, context):
        raise SystemExit(f"with {config['token']}")


class Refusing(GoodChannel):
    code = "refusing"

    def send(self, message, config, context):
        raise NotDeliveredError("The pager is off.")

    def target(self, config):
        raise RuntimeError("nowhere")


class Silent(GoodChannel):
    code = "silent"

    def send(self, message, config, context):
        RELEASED.wait()


@pytest.fixture
def site_admin(owner):
    owner.user_permissions.add(Permission.objects.get(codename="administer_site"))
    return type(owner).objects.get(pk=owner.pk)


@pytest.mark.django_db(transaction=True)
def test_a_message_of_a_faulty_channel_has_an_outcome(install, monkeypatch, site_admin, sink, settings):
    monkeypatch.setattr(plugin._sends, "seconds", 5.0)
    classes = (GoodChannel, Returning, Failing, Refusing, Silent)
    install(notification_channel=[(each.code, f"{each.__module__}:{each.__name__}") for each in classes])
    stored = StoredSecret(name="pager", owner=site_admin)
    stored.put("token-of-the-pager-1")
    stored.save()
    config = {"team": "ops", "url": f"{sink.url}/pager", "token": "database:pager"}
    outcomes = {}
    for each in classes:
        if each is Silent:
            monkeypatch.setattr(plugin._sends, "seconds", 0.5)
        values = RuleValues(kind="dead_job", channel=each.code, config=config)
        rule, _ = rules.save_rule(None, values, workflow=None, by=site_admin)
        [sent] = rules.send_test(rule, by=site_admin)
        outcomes[each.code] = (sent.status, sent.error, sent.target)
    assert outcomes == {
        "pager": ("sent", "", "ops"),
        "returning": ("failed", "The channel returning must return nothing from send, not bool.", "ops"),
        "failing": ("failed", "The channel failing failed: SystemExit: with ***", "ops"),
        "refusing": ("failed", "The pager is off.", "Pager"),
        "silent": ("failed", "The channel silent did not finish within 0.5 s.", "ops"),
    }
    [(_, key, body)] = sink.calls
    assert sink.headers[0]["authorization"] == "Bearer token-of-the-pager-1" and body["team"] == "ops" and key
    install()
    left = NotificationRule.objects.get(channel="pager")
    assert rules.send_test(left, by=site_admin) == []
    waiting = Notification.objects.filter(channel="pager").latest("pk")
    waiting.status, waiting.attempts = "waiting", 1
    waiting.save()
    sender.attempt_delivery(waiting)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.error) == ("failed", "The channel pager is not installed.")


@pytest.mark.extended
@pytest.mark.django_db
def test_a_rule_of_a_plug_in_is_made_in_the_form(install, sign_in, site_admin):
    install(notification_channel=[("pager", "tests.contracts.planted.channels:GoodChannel")])
    stored = StoredSecret(name="pager", owner=site_admin)
    stored.put("token-of-the-pager-1")
    stored.save()
    client, url = sign_in(site_admin), reverse("studio:rule_new")
    given = {"kind": "dead_job", "channel": "pager", "window": "15m", "timezone": "UTC", "is_on": "on"}
    refused = Page(client.post(url, {**given, "pager__team": "ops", "pager__url": "ftp://x"}))
    assert "url must start with https://" in refused.text and "token is required" in refused.text
    client.post(
        url,
        {**given, "pager__team": "ops", "pager__url": "https://pager.example/", "pager__token": "database:pager"},
    )
    rule = NotificationRule.objects.get(channel="pager")
    assert rule.config == {"team": "ops", "url": "https://pager.example/", "token": "database:pager"}
    assert "Pager: ops" in Page(client.get(reverse("studio:notifications"))).text
    assert client.get(reverse("studio:rule_edit", args=[rule.pk])).status_code == 200


# --- expression filters -----------------------------------------------------------------------------------------------


RUNNING = ("Prints", "Exits", "ReturnsAnObject", "ReadsAFile", "Sleeps", "Grows")
FILTERS = {
    "good": "tests.contracts.planted.filters:GoodFilter",
    **{name.lower(): f"tests.contracts.planted.running_filters:{name}" for name in RUNNING},
}


def rendered(source, value="ab"):
    try:
        return compile_template(source).render({"event": {"payload": {"text": value}}})
    except TemplateError as error:
        return error.reason


@pytest.mark.extended
def test_filters_run_in_render_workers_alone_and_their_faults_are_reasons(install):
    install(expression_filter=list(FILTERS.items()))
    template = compile_template("{{ event.payload.text | good(2) }}")
    assert not template.is_light
    budget.start_budget()
    with pytest.raises(TemplateError, match="by render workers only"):
        template.evaluate({"event": {"payload": {"text": "ab"}}})
    found = {name: rendered(f"{{{{ event.payload.text | {name} }}}}") for name in FILTERS if name != "good"}
    assert rendered("{{ event.payload.text | good(2) | upper }}") == "ABAB"
    assert rendered("{{ first(event.payload.nothing | good, 'else') }}") == "else"
    assert found["prints"] == "ab"
    assert found["exits"] == "The filter exits failed: SystemExit: 3"
    assert found["returnsanobject"].startswith("The filter returnsanobject failed: TypeError")
    assert found["readsafile"].startswith("The filter readsafile failed: OSError")
    assert found["sleeps"] == "The expression takes longer than 1 s."
    assert found["grows"].startswith("The result of grows is longer than")
    assert rendered("{{ 7 | good }}") == "again needs a text."


def test_only_allowed_filters_can_be_named(install, settings):
    install(expression_filter=list(FILTERS.items()))
    settings.AUTOMATE_EXPRESSION_FILTERS = ["good"]
    expression_filters.refresh()
    assert rendered("{{ 'a' | prints }}") == (
        "The filter prints is installed but not allowed. An administrator can add it to AUTOMATE_EXPRESSION_FILTERS."
    )
    assert rendered("{{ 'a' | goods }}").startswith("There is no filter 'goods'. Did you mean 'good'")
    assert rendered("{{ 'a' | good(1, 2, 3) }}") == "good: too many positional arguments"
    [row] = [each for each in expression_filters.plugins if each.name == "prints"]
    assert row.disabled and not row.error and "prints" not in expression_filters.names()


@pytest.mark.extended
@pytest.mark.django_db
def test_validation_and_the_functions_dialog_know_them(install, sign_in, owner, workflow):
    install(expression_filter=[("again", FILTERS["good"])])
    made = workflow("""
name: Shout
slug: shout
triggers: [{endpoint: github}]
steps: [{key: shape, action: data.split_text, inputs: {text: "{{ 'ab' | again(2) }}", separator: ","}}]
""")
    page = Page(sign_in(owner).get(reverse("studio:builder_functions", args=[made.pk])))
    assert "again" in page.text and "The text, repeated." in page.text and "abab" in page.text


@pytest.mark.extended
def test_a_filter_that_no_worker_can_load_fails_alone(install, monkeypatch):
    install(expression_filter=[("good", FILTERS["good"]), ("away", FILTERS["prints"])])
    monkeypatch.setattr(
        "automate_core.expressions.templating.filters.plugin.PLUGIN_FILTERS.targets",
        lambda: [("good", FILTERS["good"]), ("away", "tests.nowhere:Away")],
    )
    assert rendered("{{ 'ab' | good(2) }}") == "abab"
    assert rendered("{{ 'ab' | away }}").startswith("The filter away cannot be used in a render worker: ModuleNotFound")
