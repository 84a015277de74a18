"""GitHub: the calls of its REST API, limits and refusals, against a server that answers as GitHub does."""

from __future__ import annotations

import json
import time

import pytest

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.github import GitHubConnector
from automate_connectors.invocation import describe_call
from automate_testing.contracts import PollContractTest, PollSource, Registered, WebhookContractTest, WebhookService
from automate_testing.fakes import ScriptedHttp, answer, context
from tests.conftest import ROOT
from tests.connectors.conftest import real_context
from tests.support.github import ISSUE

github = GitHubConnector()
SHOWN = {
    "number": 7, "title": "Broken", "state": "open", "url": "https://github.com/o/r/issues/7",
    "labels": ["bug", "old"], "assignees": ["ann"],
}  # fmt: skip
REPOSITORY = {"repository": "o/r"}


@pytest.fixture
def connection(server):
    return {"token": "ghp_s3cret", "base_url": f"{server.url}/api/v3/"}


CALLS = {
    "create_issue": (
        {"title": "Broken", "body": "It is", "labels": ["bug"]},
        (201, ISSUE),
        ("POST", "/repos/o/r/issues", {"title": "Broken", "body": "It is", "labels": ["bug"]}),
        SHOWN,
    ),
    "update_issue": (
        {"number": 7, "state": "closed", "labels": []},
        (200, ISSUE),
        ("PATCH", "/repos/o/r/issues/7", {"state": "closed", "labels": []}),
        SHOWN,
    ),
    "add_comment": (
        {"number": 7, "body": "Seen"},
        (201, {"id": 5, "html_url": "https://github.com/c/5"}),
        ("POST", "/repos/o/r/issues/7/comments", {"body": "Seen"}),
        {"id": 5, "url": "https://github.com/c/5"},
    ),
    "add_labels": (
        {"number": 7, "labels": ["a b"]},
        (200, [{"name": "a b"}]),
        ("POST", "/repos/o/r/issues/7/labels", {"labels": ["a b"]}),
        {"labels": ["a b"]},
    ),
    "remove_label": (
        {"number": 7, "label": "a b/c?"},
        (200, [{"name": "x"}]),
        ("DELETE", "/repos/o/r/issues/7/labels/a%20b%2Fc%3F", None),
        {"labels": ["x"]},
    ),
    "dispatch_workflow": (
        {"workflow": "deploy.yml", "inputs": {"to": "live"}},
        (204, b""),
        ("POST", "/repos/o/r/actions/workflows/deploy.yml/dispatches", {"ref": "main", "inputs": {"to": "live"}}),
        {"workflow": "deploy.yml", "ref": "main"},
    ),
    "dispatch_event": (
        {"event_type": "shipped", "payload": {"order": 1}},
        (204, b""),
        ("POST", "/repos/o/r/dispatches", {"event_type": "shipped", "client_payload": {"order": 1}}),
        {"event_type": "shipped"},
    ),
}


@pytest.mark.parametrize("action", CALLS)
def test_calls(server, call, connection, action):
    params, answer, (method, path, body), output = CALLS[action]
    server.answer = lambda asked: (*answer, {})
    assert call(github, action, {**REPOSITORY, **params}, connection) == output
    [asked] = server.asked
    assert (asked.method, asked.path) == (method, f"/api/v3{path}")
    assert (asked.json if asked.body else None) == body
    assert asked.headers["authorization"] == "Bearer ghp_s3cret"
    assert asked.headers["x-github-api-version"] == "2022-11-28"
    assert asked.headers["accept"] == "application/vnd.github+json"


def test_searching(server, call, connection):
    server.answer = lambda asked: (200, {"total_count": 12, "items": [ISSUE]}, {})
    params = {"query": "is:open label:bug", **REPOSITORY, "limit": 5}
    assert call(github, "search_issues", params, connection) == {"total": 12, "items": [SHOWN]}
    assert server.asked[0].query == {"q": ["is:open label:bug repo:o/r"], "per_page": ["5"]}


def test_the_example_of_a_search_says_what_it_looks_for():
    """GitHub refuses a search with neither from people who signed in through an app."""
    action = next(each for each in github.actions if each.name == "search_issues")
    help_text = str(next(field for field in action.fields if field.name == "query").help)
    examples = [
        help_text,
        json.loads((ROOT / "tests/contracts/fixtures/github/search_issues.json").read_text())["params"]["query"],
    ]
    assert all("is:issue" in each or "is:pull-request" in each for each in examples)


def test_a_label_that_is_not_there_is_no_error_and_a_missing_issue_is(server, call, connection):
    server.answer = lambda asked: (404, {"message": "Label does not exist"}, {})
    assert call(github, "remove_label", {**REPOSITORY, "number": 7, "label": "x"}, connection) == {"labels": []}
    server.answer = lambda asked: (404, {"message": "Not Found"}, {})
    with pytest.raises(ConnectorError):
        call(github, "remove_label", {**REPOSITORY, "number": 7, "label": "x"}, connection)


@pytest.mark.parametrize(
    ("action", "params", "reason"),
    [
        ("create_issue", {"repository": "o", "title": "x"}, "octocat/hello-world"),
        ("create_issue", {"repository": "o/r/../x", "title": "x"}, "octocat/hello-world"),
        ("create_issue", {"repository": "../..", "title": "x"}, "octocat/hello-world"),
        ("create_issue", {"repository": "o/r?x", "title": "x"}, "octocat/hello-world"),
        ("update_issue", {"repository": "o/r", "number": 7}, "Nothing to change"),
        ("remove_label", {"repository": "o/r", "number": 7, "label": ".."}, "not a valid name"),
        ("dispatch_workflow", {"repository": "o/r", "workflow": ".."}, "not a valid name"),
        ("add_labels", {"repository": "o/r", "number": 7, "labels": [1]}, "a list of names"),
        ("search_issues", {"query": "x", "limit": 1000}, "between 1 and 100"),
    ],
)
def test_bad_inputs_are_refused(server, call, connection, action, params, reason):
    with pytest.raises(ConnectorError) as caught:
        call(github, action, params, connection)
    assert caught.value.code == "invalid_input" and reason in caught.value.message and not server.asked


REFUSALS = {
    "token": ((401, {"message": "Bad credentials"}, {}), "needs_reconnect", False, None, "replace it"),
    "permission": ((403, {"message": "Resource not accessible"}, {}), "http_403", False, None, "lacks a permission"),
    "missing": ((404, {"message": "Not Found"}, {}), "http_404", False, None, "Check the repository"),
    "switched off": ((410, {"message": "Issues are disabled"}, {}), "http_410", False, None, "turned off"),
    "values": (
        (422, {"message": "Validation Failed", "errors": [{"field": "title", "code": "missing"}, "more"]}, {}),
        "http_422", False, None, "title is missing; more",
    ),
    "secondary limit": (
        (403, {"message": "You have exceeded a secondary rate limit"}, {"Retry-After": "90"}),
        "rate_limited", True, 90, "wait 90 seconds",
    ),
    "secondary limit without a time": (
        (429, {"message": "Too many"}, {}), "rate_limited", True, 60, "wait 60 seconds",
    ),
    "server": ((502, b"<html>", {}), "http_502", True, None, "HTTP 502"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSALS)
def test_refusals_say_what_to_do(server, call, connection, kind):
    answer, code, retryable, wait, advice = REFUSALS[kind]
    server.answer = lambda asked: answer
    with pytest.raises(ConnectorError) as caught:
        call(github, "create_issue", {**REPOSITORY, "title": "x"}, connection)
    assert (caught.value.code, caught.value.retryable, caught.value.retry_after) == (code, retryable, wait)
    assert advice in caught.value.message and "s3cret" not in f"{caught.value} {caught.value.details}"


def test_a_used_up_limit_waits_until_it_is_reset(server, call, connection):
    reset = int(time.time()) + 120
    limits = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
    server.answer = lambda asked: (403, {"message": "API rate limit exceeded"}, limits)
    with pytest.raises(ConnectorError) as caught:
        call(github, "add_comment", {**REPOSITORY, "number": 7, "body": "x"}, connection)
    assert caught.value.retryable and 100 < caught.value.retry_after <= 121
    limits["x-ratelimit-reset"] = "9" * 18
    with pytest.raises(ConnectorError) as caught:
        call(github, "add_comment", {**REPOSITORY, "number": 7, "body": "x"}, connection)
    assert caught.value.retry_after == 86_400


def test_a_connection_is_tested_by_asking_who_it_is(server, connection):
    server.answer = lambda asked: (200, {"login": "ann"}, {})
    assert github.check_connection(real_context(connection)) == "Signed in as ann."
    server.answer = lambda asked: (403 if asked.path.endswith("/user") else 200, {"message": "not a person"}, {})
    assert github.check_connection(real_context(connection)) == "Signed in as an app."
    server.answer = lambda asked: (401, {"message": "Bad credentials"}, {})
    with pytest.raises(ConnectorError) as caught:
        github.check_connection(real_context(connection))
    assert caught.value.code == "needs_reconnect"


# --- files ------------------------------------------------------------------------------------------------------------

FILE = {**REPOSITORY, "path": "docs/read me.md", "message": "Say hello", "content": "# Hello\n"}
BLOB = "7c258a9869f33c1e1e1f74fbb32f07c86cb5a75b"  # of another content
SAME_BLOB = "fec56017dc1b1ac87ad6e54e3cb3a20bb8dcc5ab"  # what `git hash-object` says


def test_a_file_is_changed_by_the_sha_of_the_one_that_is_there(server, call, connection):
    server.answer = lambda asked: (200, {"sha": BLOB} if asked.method == "GET" else {"commit": {"sha": "c1"}}, {})
    output = call(github, "put_file", {**FILE, "branch": "save"}, connection)
    assert output == {"path": "docs/read me.md", "commit": "c1", "changed": True}
    asked, sent = server.asked
    assert (asked.path, asked.query) == ("/api/v3/repos/o/r/contents/docs/read%20me.md", {"ref": ["save"]})
    assert sent.json == {"message": "Say hello", "branch": "save", "content": "IyBIZWxsbwo=", "sha": BLOB}


def test_a_file_with_the_same_content_gets_no_commit(server, call, connection):
    server.answer = lambda asked: (200, {"sha": SAME_BLOB}, {})
    assert call(github, "put_file", FILE, connection) == {"path": FILE["path"], "commit": None, "changed": False}
    assert [asked.method for asked in server.asked] == ["GET"]


def test_declared_actions_share_the_rules_of_the_others(server, call, connection):
    with pytest.raises(ConnectorError) as caught:
        call(github, "get_issue", {"repository": "o/r/../x", "number": 7}, connection)
    assert "octocat/hello-world" in caught.value.message and not server.asked
    server.answer = lambda asked: (403, {"message": "You have exceeded a secondary rate limit"}, {})
    with pytest.raises(ConnectorError) as caught:
        call(github, "get_issue", {**REPOSITORY, "number": 7}, connection)
    assert (caught.value.code, caught.value.retryable, caught.value.retry_after) == ("rate_limited", True, 60)
    assert describe_call(github, github.action("get_issue"), {**REPOSITORY, "number": 7}, context())["method"] == "GET"


# --- polls ------------------------------------------------------------------------------------------------------------


class Issues(PollSource):
    """A repository's issues, a hundred a page, with a pull request between any two."""

    params = {"repository": "o/r"}
    connection = {"token": "any"}

    def __init__(self):
        self.issues = []

    def add(self, number, at):
        made = {**ISSUE, "title": f"Issue {number}", "created_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "user": {"login": "ann"}}
        self.issues += [
            {**made, "id": 2 * number, "number": 2 * number},
            {**made, "id": 2 * number + 1, "number": 2 * number + 1, "pull_request": {"url": "any"}},
        ]

    def context(self):
        return context(_Repository(self), dict(self.connection))


class _Repository(ScriptedHttp):
    def __init__(self, source):
        super().__init__()
        self.source = source

    def request(self, method, url, *, params=None, **more):
        assert (method, url) == ("GET", "https://api.github.com/repos/o/r/issues")
        assert (params["sort"], params["direction"], params["state"]) == ("created", "desc", "all")
        found = sorted(self.source.issues, key=lambda issue: (issue["created_at"], issue["id"]), reverse=True)
        start = (params["page"] - 1) * params["per_page"]
        return answer(200, found[start : start + params["per_page"]])


class PullRequests(Issues):
    """The same, with pull requests."""

    params = {"repository": "o/r", "pull_requests": True}

    def add(self, number, at):
        super().add(number, at)
        del self.issues[-2]


class TestGitHubPolls(PollContractTest):
    adapter_cls = GitHubConnector
    poll_sources = {"new_issue": Issues}


class TestGitHubPollsOfPullRequests(PollContractTest):
    adapter_cls = GitHubConnector
    poll_sources = {"new_issue": PullRequests}


def test_a_new_issue_says_what_it_is(server, connection):
    server.answer = lambda asked: (
        200,
        [{**ISSUE, "id": 9, "created_at": "2026-01-31T12:00:00Z", "user": {"login": "ann"}, "body": None}],
        {},
    )
    [item] = github.poll("new_issue", REPOSITORY, None, real_context(connection)).items
    assert item.id == "9" and item.time.isoformat() == "2026-01-31T12:00:00+00:00"
    assert item.data == {
        **SHOWN, "body": "", "author": "ann", "created_at": "2026-01-31T12:00:00Z", "repository": "o/r",
        "is_pull_request": False,
    }  # fmt: skip


# --- webhooks ---------------------------------------------------------------------------------------------------------


class RepositoryHooks(WebhookService):
    """The hooks of a repository."""

    params = {"repository": "o/r"}
    connection = {"token": "any"}

    def __init__(self):
        self.hooks = []

    def registered(self):
        return [Registered(hook["config"]["url"], hook["config"]["secret"]) for hook in self.hooks]

    def forget(self):
        self.hooks = []

    def context(self):
        return context(_Hooks(self), dict(self.connection))


class _Hooks(ScriptedHttp):
    def __init__(self, service):
        super().__init__()
        self.service = service

    def request(self, method, url, *, json=None, **more):
        base, _, number = url.partition("/hooks")
        assert base == "https://api.github.com/repos/o/r"
        match method:
            case "GET":
                return answer(200, self.service.hooks)
            case "POST":
                assert json["name"] == "web" and json["active"] and json["events"]
                assert (json["config"]["content_type"], json["config"]["insecure_ssl"]) == ("json", "0")
                self.service.hooks.append({**json, "id": 101 + len(self.service.hooks)})
                return answer(201, self.service.hooks[-1])
        kept = [hook for hook in self.service.hooks if f"/{hook['id']}" != number]
        was, self.service.hooks = self.service.hooks, kept
        return answer(204, b"") if len(kept) < len(was) else answer(404, {"message": "Not Found"})


class TestGitHubWebhooks(WebhookContractTest):
    adapter_cls = GitHubConnector
    webhook_services = {"push": RepositoryHooks}
    untried_webhooks = ("issue", "issue_comment", "pull_request", "release", "repository")  # the same calls
