"""The document is the API: a client that is generated from it calls every operation of a live server."""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
import json
import re
import subprocess
import sys
import typing
from functools import cached_property
from pathlib import Path

import pytest

from automate_core.files.store import FileOwner, store_file
from automate_core.models import Event, ExecutionRun, StoredFile, Wait
from tests.conftest import ROOT
from tests.support.api_operations import OPERATIONS, World

pytestmark = pytest.mark.django_db(transaction=True)

DOCUMENT = ROOT / "docs" / "openapi.json"
PAID = """
name: Paid
slug: paid{suffix}
triggers: [{{kind: event, key: paid, event: order.paid}}]
steps: [{{kind: stop, key: done}}]
"""


class LiveWorld(World):
    """What each operation succeeds on: a run that has ended or waits, an event that can be replayed, a stored file."""

    def __init__(self, number, *arguments):
        super().__init__(*arguments)
        self.suffix = f"-{number}"

    def run_that(self, status, **values):
        ExecutionRun.objects.filter(pk=self.run.pk).update(status=status, **values)

    def wait_for(self, kind):
        self.run_that("waiting")
        Wait.objects.create(run=self.run, path="done", kind=kind)

    def replayable(self):
        self._make_workflow(PAID.format(suffix=self.suffix))
        self.event_id = str(Event.objects.create(source="app", type="order.paid", payload={}, trace_id="1" * 32).pk)

    @cached_property
    def file_reference(self):
        owner = FileOwner(trace_id=self.run.trace_id, run_id=self.run.pk)
        store_file(b"Ada", name="a.txt", content_type="text/plain", owner=owner)
        return StoredFile.objects.get(run=self.run.pk).pk


#: What an operation needs beside the objects that its path and its body name.
PREPARED = {
    "stream_run": lambda world: world.run_that("succeeded", finished_at=dt.datetime.now(dt.UTC)),
    "rerun_run": lambda world: world.run_that("succeeded", finished_at=dt.datetime.now(dt.UTC)),
    "retry_run_step": lambda world: world.wait_for("retry"),
    "skip_run_step": lambda world: world.wait_for("retry"),
    "review_run_step": lambda world: world.wait_for("review"),
    "replay_event": LiveWorld.replayable,
    "replay_events": LiveWorld.replayable,
}


@pytest.fixture(scope="module")
def document():
    return json.loads(DOCUMENT.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """The package of the generated client, with the settings that docs/api.md names; a warning is an error."""
    folder = tmp_path_factory.mktemp("generated")
    settings = re.search(r"```yaml\n(content_type_overrides:.+?)```", (ROOT / "docs" / "api.md").read_text(), re.S)
    (folder / "settings.yaml").write_text(f"{settings[1]}post_hooks: []\n")
    command = [Path(sys.executable).with_name("openapi-python-client"), "generate", "--path", DOCUMENT, "--meta=none"]
    command += ["--config=settings.yaml", "--output-path=automate_client", "--fail-on-warning"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("automate_client")


def _operations(document):
    """{operationId: (its path, its statuses of success, its tag)}"""
    return {
        each["operationId"]: (
            path,
            [status for status in each["responses"] if status.isdigit()],
            each["tags"][0].lower(),
        )
        for path, methods in document["paths"].items()
        for each in methods.values()
    }


def _arguments(function, path, row, world):
    """Arguments for the generated function: what the path names, and the body as its model."""
    named = re.findall(r"{(\w+)}", path)
    attributes = re.findall(r"{(\w+)}", row.path)
    hints = typing.get_type_hints(function)
    found = {
        name: _as_hinted(hints[name], getattr(world, attribute))
        for name, attribute in zip(named, attributes, strict=True)
    }
    body = row.body(world) if callable(row.body) else row.body
    if body is not None:
        [model] = [each for each in _members(hints["body"]) if each.__name__ != "Unset"]
        found["body"] = model.from_dict(body)
    if row.headers:
        found |= {name.lower().replace("-", "_"): value for name, value in row.headers(world).items()}
    return found


def _as_hinted(hint, value):
    return hint(str(value)) if inspect.isclass(hint) else value


def _members(hint):
    return typing.get_args(hint) or (hint,)


def _plain(value):
    """A value of JSON with its moments in one form."""
    match value:
        case dict():
            return {name: _plain(member) for name, member in value.items()}
        case list():
            return [_plain(member) for member in value]
        case str() if re.fullmatch(r"\d{4}-\d\d-\d\dT.+", value):
            return dt.datetime.fromisoformat(value)
    return value


def test_a_generated_client_calls_every_operation(
    document, generated, live_server, api, workflow, admin, colleague, settings, tmp_path
):
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "automate": storage}
    settings.AUTOMATE_API_RATE = 0
    client = generated.AuthenticatedClient(base_url=live_server.url, token=api(admin).plain, timeout=60)
    called, wrong = set(), {}
    with client:
        for number, (name, (path, statuses, tag)) in enumerate(_operations(document).items()):
            world = LiveWorld(number, admin, colleague, workflow, api(admin).token)
            function = importlib.import_module(f"automate_client.api.{tag}.{name}").sync_detailed
            for attribute in OPERATIONS[name].made:
                getattr(world, attribute)
            PREPARED.get(name, lambda world: None)(world)
            answer = function(client=client, **_arguments(function, path, OPERATIONS[name], world))
            if problem := _problem(function, answer, statuses):
                wrong[name] = problem
            called.add(name)
    assert wrong == {}
    assert called == {each["operationId"] for methods in document["paths"].values() for each in methods.values()}


def _problem(function, answer, statuses):
    """What is wrong with an answer: its status, the type it was parsed to, or what its model lost of it."""
    if str(int(answer.status_code)) not in statuses:
        return f"{answer.status_code} instead of {statuses}: {answer.content[:300]!r}"
    parsed, content = answer.parsed, answer.content
    [returned] = _members(typing.get_type_hints(function)["return"])
    if type(parsed).__name__ == "Problem" or not any(
        kind is typing.Any or isinstance(parsed, typing.get_origin(kind) or kind) for kind in _members(returned)
    ):
        return f"parsed to {parsed!r}"
    if hasattr(parsed, "to_dict") and _plain(parsed.to_dict()) != _plain(json.loads(content)):
        return f"{parsed.to_dict()} is not {content.decode()}"
    return ""
