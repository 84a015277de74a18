"""Webhooks of GitHub repositories.

Source: https://docs.github.com/en/rest/repos/webhooks (API version 2022-11-28) for the calls, and
https://docs.github.com/en/webhooks/webhook-events-and-payloads for the events. A token needs the repository permission
Webhooks (read and write), or the scope admin:repo_hook.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from automate_connectors.adapters.webhooks import EVENTS, Registration, Webhook
from automate_plugins import text
from automate_plugins.fields import FieldSpec

_REPOSITORY = {"full_name": "octocat/hello-world", "html_url": "https://github.com/octocat/hello-world"}
_SENDER = {"login": "octocat"}
_ISSUE = {
    "number": 7,
    "title": "Crash on save",
    "state": "open",
    "html_url": "https://github.com/octocat/hello-world/issues/7",
    "body": "It crashes when I save.",
    "labels": [{"name": "bug"}],
    "user": {"login": "octocat"},
}
_PULL_REQUEST = {
    "number": 8,
    "title": "Save without a crash",
    "state": "open",
    "html_url": "https://github.com/octocat/hello-world/pull/8",
    "draft": False,
    "merged": False,
    "user": {"login": "octocat"},
    "head": {"ref": "fix-save"},
    "base": {"ref": "main"},
}


def _webhook(
    name: str, label: str, description: str, sample: dict[str, Any], *events: tuple[str, str], other: bool = False
) -> Webhook:
    where = FieldSpec(
        name="repository",
        label=text("Repository"),
        required=True,
        help=text("For example octocat/hello-world"),
        options="repositories",
    )
    return Webhook(
        name=name,
        label=label,
        description=description,
        fields=(where,),
        events=events,
        other_events=other,
        scheme="github",
        sample={**sample, "repository": _REPOSITORY, "sender": _SENDER},
    )


WEBHOOKS = (
    _webhook(
        "push",
        text("Push"),
        text("Start when commits are pushed to a repository"),
        {
            "ref": "refs/heads/main",
            "compare": "https://github.com/octocat/hello-world/compare/6113728f27ae...4c5f7a1b2d3e",
            "commits": [{"id": "4c5f7a1b2d3e", "message": "Save without a crash", "author": {"name": "Ada"}}],
            "pusher": {"name": "octocat"},
        },
        ("push", text("Push")),
    ),
    _webhook(
        "issue",
        text("Issue"),
        text("Start when an issue is opened, edited, labelled, assigned or closed"),
        {"action": "opened", "issue": _ISSUE},
        ("issues", text("Issue")),
    ),
    _webhook(
        "issue_comment",
        text("Comment"),
        text("Start when an issue or a pull request is commented on"),
        {"action": "created", "issue": _ISSUE, "comment": {"body": "I see it, too.", "user": {"login": "octocat"}}},
        ("issue_comment", text("Comment")),
    ),
    _webhook(
        "pull_request",
        text("Pull request"),
        text("Start when a pull request is opened, changed, merged or closed"),
        {"action": "opened", "number": 8, "pull_request": _PULL_REQUEST},
        ("pull_request", text("Pull request")),
    ),
    _webhook(
        "release",
        text("Release"),
        text("Start when a release is published or changed"),
        {"action": "published", "release": {"tag_name": "v1.2.0", "name": "1.2", "draft": False, "prerelease": False}},
        ("release", text("Release")),
    ),
    _webhook(
        "repository",
        text("Chosen events"),
        text("Start on the events of a repository that you choose"),
        {"action": "opened"},
        ("push", text("Push")),
        ("issues", text("Issue")),
        ("issue_comment", text("Comment")),
        ("pull_request", text("Pull request")),
        ("pull_request_review", text("Review")),
        ("release", text("Release")),
        ("create", text("Branch or tag created")),
        ("workflow_run", text("Workflow run")),
        other=True,
    ),
)


def find_hook(hooks: Iterable[dict[str, Any]], url: str) -> Registration | None:
    """The hook with this URL, of those that a repository has."""
    for hook in hooks:
        config = hook.get("config")
        if isinstance(config, dict) and config.get("url") == url and hook.get("id"):
            return Registration(id=str(hook["id"]))
    return None


def hook_document(params: dict[str, Any], url: str, secret: str) -> dict[str, Any]:
    """The body that makes a hook."""
    config = {"url": url, "content_type": "json", "secret": secret, "insecure_ssl": "0"}
    return {"name": "web", "active": True, "events": params[EVENTS], "config": config}
