"""Goes through every page of ours in this project, by HTTP, as a superuser and as a colleague; prints what came of it.

Run in the project's folder with its settings. What it makes first is what the pages show: a webhook, a connection, a
secret, workflows with runs that ended, failed, and wait for a decision.
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402 - they need Django to be set up
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.auth.models import Group  # noqa: E402
from django.test import Client, RequestFactory  # noqa: E402
from django.urls import NoReverseMatch, URLPattern, get_resolver  # noqa: E402

from automate_authoring import connector_versions, workflows  # noqa: E402
from automate_authoring.definitions import yaml_files  # noqa: E402
from automate_connectors.models import Connection  # noqa: E402
from automate_connectors.stored import drafts  # noqa: E402
from automate_core.models import (  # noqa: E402
    BulkAction,
    Erasure,
    Event,
    ExecutionRun,
    FailureGroup,
    Notification,
    NotificationRule,
    Wait,
    Workflow,
)
from automate_core.triggers import manual  # noqa: E402
from automate_core.webhooks import endpoints  # noqa: E402
from automate_core.webhooks.schemes.registry import GitHubScheme  # noqa: E402
from automate_core.worker.worker import Worker  # noqa: E402
from automate_governance import sharing  # noqa: E402
from automate_governance.admin_site import admin_site, reverse  # noqa: E402
from automate_llm.models import LLMBudget  # noqa: E402
from automate_operations.statistics import rollup  # noqa: E402
from automate_studio.models import SavedView  # noqa: E402

PASSWORD = "a password of tests"
BY_NUMBER = get_user_model().USERNAME_FIELD == "badge"
ROOT, ADA, BOT = ("1", "2", "3") if BY_NUMBER else ("root@example.com", "ada@example.com", "ci@example.com")
SECRET = "0123456789abcdef0123456789abcdef"
SCREENS = {"studio": "automate_studio.urls", "api_screens": "automate_api.screens.urls"}
OURS = ("automate_governance", "automate_connectors", "automate_llm", "automate_core", "automate_studio")

ASK = """
name: Ask
slug: ask
triggers:
  - {{key: hook, endpoint: github}}
  - {{key: hand, kind: manual, inputs: [{{name: amount, kind: number}}]}}
steps:
  - {{key: values, action: data.set, inputs: {{values: {{amount: 17}}}}}}
  - {{key: way, kind: branch, arms: [{{key: high, when: true, steps: [
      {{key: ask, kind: approval, assignees: ['{ada}'], timeout: 1d, delegate: true, message: May it be?,
       context: {{amount: '{{{{ steps.values.output.values.amount }}}}'}}}}]}}], otherwise: []}}
"""
FAIL = """
name: Fail
slug: fail
triggers: [{key: hand, kind: manual}]
steps: [{key: end, kind: stop, outcome: failed, message: It went wrong}]
"""


CRM = """
format: 1
code: crm
name: CRM
description: Keep customers
base_url: https://api.crm.example
actions: [{name: list_customers, label: List customers, path: /customers, sample: {}}]
"""


def main() -> None:
    made = make()
    client, colleague = client_of(made["root"]), client_of(made["ada"])
    found: dict[str, Any] = {"approval": decide(colleague, made), "pages": []}
    pages = list(all_pages(made))
    for who, visitor in (("root", client), ("ada", colleague)):
        for name, address in pages:
            found["pages"].append([who, "GET", name, visit(visitor, "get", address)])
    found["first"] = seen(client.get(reverse("admin:index")))
    found["overview"] = seen(client.get(reverse("studio:overview"), follow=True))
    request = RequestFactory().get("/")
    request.user = made["root"]
    found["app_list"] = [model["admin_url"] for app in admin_site().get_app_list(request) for model in app["models"]]
    found["nobody"] = [[name, visit(Client(), "get", address)] for name, address in pages]
    found["htmx"] = Client(headers={"HX-Request": "true"}).get(reverse("studio:template_list")).status_code
    for name, address in pages:
        if "sign_out" not in name and name != "admin:logout":
            found["pages"].append(["root", "POST", name, visit(client, "post", address)])
    found["own_error"] = visit(client, "get", "/boom/")
    json.dump(found, sys.stdout)


def make() -> dict[str, Any]:
    """People, and one of each thing that a page is about."""
    people = get_user_model()._default_manager
    flags = {"role": "staff"} if hasattr(get_user_model(), "role") else {"is_staff": True, "email": ADA}
    root = people.create_superuser(ROOT, password=PASSWORD, **({} if "role" in flags else {"email": ROOT}))
    ada = people.create_user(ADA, password=PASSWORD, **flags)
    ada.groups.set(Group.objects.filter(name__in=["Builders", "Operators"]))
    endpoint, _ = endpoints.save_endpoint("github", scheme="github", config={}, secret=SECRET, actor=root)
    connection = Connection.objects.create(owner=root, name="Mail", slug="mail", connector="email", config={})
    asking, failing = (publish(text, root) for text in (ASK.format(ada=ADA), FAIL))
    sharing.grant(asking, ada, ["view", "view_payload", "run"], by=root)
    deliver()
    manual.start_workflow(failing, {}, by=root)
    work()
    while rollup.count_ended_runs() == 0:
        pass
    run = ExecutionRun.objects.get(workflow=asking)
    LLMBudget.objects.create(max_tokens=10)
    view = SavedView.objects.create(owner=root, name="Mine", query="status=failed")
    action = BulkAction.objects.create(person=root, verb="retry", total=0)
    rule = NotificationRule.objects.filter(built_in=True).get()
    sent = Notification.objects.order_by("pk").first()
    draft = make_connector(root)
    token, account = make_token(root, ada) if apps.is_installed("automate_api") else (None, None)
    return {
        "root": root, "ada": ada, "endpoint": endpoint, "connection": connection, "run": run, "view": view,
        "token": token, "account": account, "workflow": asking, "action": action, "rule": rule, "sent": sent,
        "wait": Wait.objects.get(kind="approval"), "draft": draft,
    }  # fmt: skip


def make_connector(root: Any) -> Any:
    """A connector of the site, and a draft of its next version."""
    saved = connector_versions.save_draft(drafts.begin_draft(CRM.encode(), by=root), by=root)
    return drafts.edit_connector(saved.connector, by=root)


def make_token(root: Any, ada: Any) -> tuple[Any, Any]:
    """A token, and a service account."""
    from automate_api.tokens.issuing import create_token
    from automate_api.tokens.service_accounts import create_account

    account = create_account(BOT, by=root, groups=ada.groups.all())
    return create_token(account, by=root, name="CI", scopes=["workflow:view"])[0], account


def publish(text: str, owner: Any) -> Workflow:
    made = workflows.save_definition(yaml_files.read_workflow(text), owner=owner)
    workflows.publish(made, author=owner)
    made.refresh_from_db()
    return made


def deliver() -> None:
    body = json.dumps({"number": 7}).encode()
    headers = GitHubScheme({}).sign(SECRET, body, event_type="issues", delivery=str(uuid.uuid4()))
    address = reverse("automate:webhook", args=["github"])
    answer = Client().post(address, body, content_type="application/json", headers=headers)
    assert answer.status_code in {200, 202}, answer.content


def work() -> None:
    Worker(concurrency=2, drain=True, name="visit").run()


def client_of(person: Any) -> Client:
    """Signed in by the sign-in page."""
    client = Client(raise_request_exception=False)
    answer = client.post(reverse("studio:sign_in"), {"username": person.get_username(), "password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    return client


def decide(client: Client, made: dict[str, Any]) -> list[Any]:
    """By the page of the approval: its status, that of the answer, and how the run ended."""
    page = reverse("studio:approval_page", args=[made["wait"].pk])
    shown = client.get(page)
    answer = client.post(page, {"outcome": "approved"})
    work()
    return [shown.status_code, answer.status_code, ExecutionRun.objects.get(pk=made["run"].pk).status]


def all_pages(made: dict[str, Any]) -> Any:
    """(name, address) of each view of ours, as far as what was made can be put into its address."""
    for name in ("index", "password_change", "search"):
        yield f"admin:{name}", reverse(f"admin:{name}") + ("?s=ask" if name == "search" else "")
    site = admin_site()
    for model in apps.get_models():
        meta = model._meta
        if meta.app_label not in OURS or not site.is_registered(model):
            continue
        base = f"admin:{meta.app_label}_{meta.model_name}"
        yield base, reverse(f"{base}_changelist")
        yield f"{base}_add", reverse(f"{base}_add")
        row = model._default_manager.order_by("-pk").first() if meta.managed else None
        for name in ("change", "history", "delete") if row else ():
            yield f"{base}_{name}", reverse(f"{base}_{name}", args=[row.pk])
    for app in OURS:
        yield f"admin:app_list {app}", reverse("admin:app_list", kwargs={"app_label": app})
    for namespace, module in SCREENS.items() if made["token"] else [("studio", SCREENS["studio"])]:
        for pattern, names in patterns(get_resolver(module).url_patterns, ()):
            keys = {each: value(pattern.name, each, made) for each in names}
            try:
                yield pattern.name, reverse(f"{namespace}:{pattern.name}", kwargs=keys)
            except NoReverseMatch as error:
                raise AssertionError(f"{pattern.name} {names}: {error}") from error


def patterns(listed: Any, above: tuple[str, ...]) -> Any:
    """Each view with what its address takes."""
    for each in listed:
        names = (*above, *each.pattern.converters)
        if isinstance(each, URLPattern):
            yield each, names
        else:
            yield from patterns(each.url_patterns, names)


def value(view: str, name: str, made: dict[str, Any]) -> Any:
    """What stands in an address."""
    pk = {
        "connection_test": made["connection"].pk, "oauth_start": made["connection"].pk,
        "view_change": made["view"].pk, "view_delete": made["view"].pk,
        **dict.fromkeys(
            [f"connector_{name}" for name in ("draft", "operations", "review", "action", "preview", "call")],
            made["draft"].pk,
        ),
        "failures_rerun": FailureGroup.objects.values_list("pk", flat=True).first() or 1,
        "failures_mark": FailureGroup.objects.values_list("pk", flat=True).first() or 1,
        **({"token_rotate": made["token"].pk, "token_revoke": made["token"].pk, "account": made["account"].pk,
            "account_active": made["account"].pk} if made["token"] else {}),
    }.get(view, made["workflow"].pk)  # fmt: skip
    slug = "expense-approval" if view == "template" else "x"
    return {
        "pk": pk, "run_id": made["run"].pk, "action_id": made["action"].pk, "rule_id": made["rule"].pk,
        "erasure_id": Erasure.objects.get_or_create(requester="root", digest="0" * 64, texts=["Ada"])[0].pk,
        "event_id": Event.objects.get(source__endswith="github").pk, "wait_id": made["wait"].pk, "kind": "workflow",
        "notification_id": made["sent"].pk if made["sent"] else uuid.uuid4(), "number": 1, "call_id": 1, "key": "hook", "code": "shop", "index": 0,
        "path": "values", "reference": "0" * 48, "slug": slug, "language": "de", "name": "images/run.png" if view == "help_image" else "audit",
    }[name]  # fmt: skip


def visit(client: Client, method: str, address: str) -> int:
    return int(getattr(client, method)(address).status_code)


def seen(answer: Any) -> dict[str, Any]:
    """A page: its status, its address, and its text."""
    return {"status": answer.status_code, "text": answer.content.decode(), "path": answer.wsgi_request.path}


main()
