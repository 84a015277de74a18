"""F36: PostgreSQL is restarted while runs are in the middle of each kind of step. None of them fails."""

from __future__ import annotations

import random
import time
from collections import Counter
from typing import Any

from tests.faults.long.ground import Ground
from tests.faults.long.load import CONCURRENCY, Figures, Size, sending

RESTART_SECONDS = (0.0, 2.0, 5.0, 20.0)  #: without PostgreSQL, in turn; the last is longer than a lease
MODEL_PATH = "/api/chat"
WORKFLOW = """
name: Kinds
slug: kinds
triggers: [{endpoint: a, filter: {'==': [{var: event.payload.to}, kinds]}}]
steps:
  - {key: pure, action: data.set, inputs: {n: '{{ event.payload.n }}'}}
  - {key: row, action: models.create, inputs: {model: auth.Group, values: {name: 'group {{ event.payload.n }}'}}}
  - key: call
    action: http.request
    connection: shop
    inputs: {method: POST, url: '/call/{{ event.payload.n }}'}
  - {kind: wait, key: pause, duration: 1s}
  - key: model
    action: llm.classify
    connection: model
    inputs: {model: small, text: '{{ event.payload.n }}', labels: [one, two]}
  - {key: sub, kind: workflow, workflow: called, payload: {n: '{{ event.payload.n }}'}}
  - {key: found, action: models.find, inputs: {model: auth.Group, where: [], limit: 1}}
  - {key: after, action: data.set, inputs: {n: '{{ event.payload.n }}'}}
"""
CALLED = """
name: Called
slug: called
triggers: [{kind: manual}]
steps:
  - key: call
    action: http.request
    connection: shop
    inputs: {method: POST, url: '/sub/{{ event.payload.n }}'}
"""


def restarts_in_steps(on: Ground, size: Size) -> Figures:
    """Runs without a retry policy, and restarts of all lengths: every run succeeds.

    A call is repeated only where the outage ended its lease, and then with its key.
    """
    _prepare(on)
    on.sink.answer = _answer
    on.mill.environment["DJANGO_SETTINGS_MODULE"] = "tests.faults.host_settings"
    _, address = on.mill.web()
    for _ in range(2):
        on.mill.worker("--concurrency", str(CONCURRENCY))  # rows of groups queue for the lock of the audit trail
    until, done = time.monotonic() + size.seconds, 0
    with sending(on.sender(address), per_second=10, to="kinds"):
        while time.monotonic() < until or done < len(RESTART_SECONDS):
            time.sleep(random.uniform(3, 6))
            on.cluster.stop()
            time.sleep(RESTART_SECONDS[done % len(RESTART_SECONDS)])
            on.cluster.start()
            done += 1
    settled = on.quiet()
    failed = on.rows(
        "SELECT path, error->>'code', error->>'message' FROM automate_core_steprun WHERE status = 'failed'"
    )
    assert not failed, f"failed steps: {Counter(failed)}"
    figures = {**on.figures(), "restarts": done, "settled_after_s": round(settled, 1)}
    accepted = figures["accepted"]
    assert figures["runs"] == figures["runs_succeeded"] == 2 * accepted and not figures["jobs_dead"], figures
    groups = on.ask("SELECT count(*) FROM auth_group WHERE name LIKE 'group %%'")
    assert groups == accepted, f"{groups} rows: {figures}"
    keys = [key for path, key, _ in on.sink.calls if path != MODEL_PATH]
    assert "" not in keys and len(set(keys)) == 2 * accepted, f"{len(set(keys))} keys: {figures}"
    return {**figures, "lost": 0, "repeated_calls": len(keys) - len(set(keys))}


def _answer(number: int, path: str) -> tuple[int, Any, dict[str, str]]:
    time.sleep(0.05)
    return 200, {"message": {"role": "assistant", "content": '{"label": "one"}'}, "done": True}, {}


def _prepare(on: Ground) -> None:
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.db import connections

    from automate_authoring import workflows
    from automate_authoring.definitions import yaml_files
    from automate_connectors.models import Connection
    from automate_governance.models import StoredSecret

    settings.AUTOMATE_MODELS = {"auth.Group": {"read": ["name"], "write": ["name"]}}
    owner = get_user_model().objects.get(username="faults")
    secret = StoredSecret(name="key", owner=owner)
    secret.put("key-of-the-services")
    secret.save()
    shop = {"base_url": on.sink.url, "headers": {}, "auth": "bearer", "token": "database:key"}
    model = {"provider": "ollama", "base_url": on.sink.url, "api_key": "database:key"}
    for slug, connector, config in (("shop", "http", shop), ("model", "llm", model)):
        Connection.objects.create(name=slug, slug=slug, connector=connector, owner=owner, config=config)
    for text in (CALLED, WORKFLOW):
        workflow = workflows.save_definition(yaml_files.read_workflow(text), owner=owner)
        workflows.publish(workflow, author=owner)
    connections.close_all()
