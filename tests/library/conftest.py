"""The outside world that the templates work with, all of it on loopback: web services, a mail server, a database."""

from __future__ import annotations

import json
import os
import re
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection as own

from automate_connectors.models import Connection
from automate_core.triggers import model_capture, model_signals
from automate_core.webhooks import endpoints
from tests.conftest import SECRET
from tests.connectors.conftest import server  # noqa: F401 - a fixture
from tests.core.conftest import later  # noqa: F401 - a fixture
from tests.support.github import ISSUE
from tests.support.relay import Relay
from tests.support.smtp import MailServer

TABLES = """
CREATE TABLE IF NOT EXISTS invoices (number text, customer text, total numeric, due_on date, paid_on date, owner_email text);
CREATE TABLE IF NOT EXISTS orders (customer text, total numeric, ordered_at timestamptz);
CREATE TABLE IF NOT EXISTS contacts (email text);
TRUNCATE invoices, orders, contacts;
INSERT INTO invoices VALUES ('R-1', 'Acme', 120, '2026-01-05', NULL, 'bo@example.com'),
    ('R-2', 'Bolt', 80, '2026-01-06', NULL, 'bo@example.com'), ('R-3', 'Cask', 60, '2026-01-07', NULL, 'eve@example.com'),
    ('R-4', 'Dune', 10, '2026-01-08', '2026-01-09', 'eve@example.com');
INSERT INTO orders VALUES ('Acme', 20, now()), ('Bolt', 90.5, now()), ('Acme', 30, now()), ('Old', 999, now() - interval '1 year');
INSERT INTO contacts VALUES ('ada@example.com'), ('ADA@example.com'), ('bo@example.com');
"""
ANSWERS = [
    (r"POST /chat.postMessage", (200, {"ok": True, "channel": "C1", "ts": "1.2", "message": {"text": "said"}})),
    (r"POST /repos/.*/labels", (200, [{"name": "bug"}])),
    (r"GET /search/issues", (200, {"total_count": 0, "items": []})),
    (r"POST /repos/[^/]+/[^/]+/issues", (201, ISSUE)),
    (r"GET /health", (500, {"error": "down"})),
    (r"GET /exports/items.csv", (200, b"sku,name\nHD-1,Disk\nBAD,Bad\nKB-7,Keyboard\n")),
    (r"PUT /items/BAD", (422, {"error": "there is no BAD"})),
    (r"GET /orders/1001", (200, {"status": "shipped"})),
    (r"GET /v1/invoices/.*", (200, {"status": "open"})),
    (r"GET /companies", (200, {"name": "Acme", "size": 400})),
]


def _model_says(asked):
    """The first of the labels that are asked for, or a summary."""
    schema = asked.json.get("response_format", {}).get("json_schema", {}).get("schema", {})
    labels = schema.get("properties", {}).get("label", {}).get("enum")
    text = json.dumps({"label": labels[0]}) if labels else "Charged twice, wants one back."
    message = {"role": "assistant", "content": text, "refusal": None}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return {"id": "c", "object": "chat.completion", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}  # fmt: skip


def _answer(asked):
    if asked.path == "/chat/completions":
        return 200, _model_says(asked), {}
    line = f"{asked.method} {asked.path}"
    status, body = next((given for pattern, given in ANSWERS if re.fullmatch(pattern, line)), (200, {"ok": True}))
    return status, body, {"Content-Type": "text/csv"} if isinstance(body, bytes) else {}


@pytest.fixture
def world(server, settings, monkeypatch, transactional_db):  # noqa: F811 - a fixture
    """Where the connections lead: `server`, `mail`, and the tests' own database by TCP."""
    monkeypatch.setenv("AUTOMATE_SECRET_THEIRS", "s3cret-of-theirs-4711")
    mail, relay = MailServer(), Relay(parse_qs(urlsplit(os.environ["DATABASE_URL"]).query)["host"][0])
    settings.AUTOMATE_EGRESS_ALLOW = [server.host, f"127.0.0.1:{mail.port}", f"127.0.0.1:{relay.port}"]
    settings.AUTOMATE_SQL_OWN_DATABASE = True
    server.answer = _answer
    with own.cursor() as cursor:
        cursor.execute(TABLES)
    server.mail = mail
    server.configs = {
        "http": {"base_url": server.url},
        "github": {"token": "env:THEIRS", "base_url": server.url},
        "slack": {"token": "env:THEIRS", "base_url": server.url},
        "llm": {"provider": "openai", "api_key": "env:THEIRS", "base_url": server.url},
        "email": {"host": "127.0.0.1", "port": mail.port, "security": "none", "from_address": "us@example.com"},
        "sql": {
            "host": "127.0.0.1",
            "port": relay.port,
            "database": own.settings_dict["NAME"],
            "username": psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_URL"]).get("user", "automate"),
            "password": "env:THEIRS",
            "tls": "disable",
            "writable": True,
        },
    }
    yield server
    mail.close()
    relay.close()
    with own.cursor() as cursor:
        cursor.execute("DROP TABLE invoices, orders, contacts")


@pytest.fixture
def provide(world, owner, settings):
    """Make what a template needs, under the names that it has."""

    def make(template):
        for slug, connector in template.connectors.items():
            made = Connection(name=slug.title(), slug=slug, connector=connector, owner=owner, config=world.configs[connector])  # fmt: skip
            made.full_clean()
            made.save()
        for slug, endpoint in template.needs.endpoints.items():
            config = {"delivery_header": "X-Delivery"} if endpoint.scheme in {"hmac", "bearer"} else {}
            endpoints.save_endpoint(slug, scheme=endpoint.scheme, config=config, secret=SECRET, actor=owner)
        for name, setting in template.settings.items():
            if setting.kind == "group":
                Group.objects.get_or_create(name=template.definition.vars[name])[0].user_set.add(owner)
        for label, use in template.needs.models.items():
            owner.user_permissions.add(*Permission.objects.filter(codename__in=["view_user", "change_user"]))
            if use.watch:
                settings.AUTOMATE_MODEL_TRIGGERS = {label: {"fields": use.watch}}
                model_signals.connect_model_signals()
                model_capture.install_capture_triggers()
            else:
                settings.AUTOMATE_MODELS = {label: {"read": use.read, "write": use.write}}

    yield make
    settings.AUTOMATE_MODEL_TRIGGERS = {}
    model_signals.disconnect_model_signals()
    model_capture.install_capture_triggers()
