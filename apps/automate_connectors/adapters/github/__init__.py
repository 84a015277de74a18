"""GitHub connector: issues, pull requests, releases, files and workflows, by the REST API.

Most actions are data, in `connector.yaml`. Those in Python came before it, and published workflows know their outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from automate_connectors.adapters.base import ConnectorError, unknown_action, unknown_webhook
from automate_connectors.adapters.github import files
from automate_connectors.adapters.github.polls import find_new_issues
from automate_connectors.adapters.github.rest import DOCUMENT, Call, check_answer, repository_path
from automate_connectors.adapters.github.webhooks import WEBHOOKS, find_hook, hook_document
from automate_connectors.adapters.polls import PollResult
from automate_connectors.adapters.tables import read_tables
from automate_connectors.adapters.webhooks import Registration
from automate_connectors.context import Context
from automate_connectors.declared.adapter import DeclaredConnector, declare
from automate_connectors.web import invalid_input, json_list, json_object, quote_segment
from automate_egress import HttpResponse
from automate_plugins import text

_MOST_FOUND = 100
_TABLES = read_tables(Path(__file__).with_name("tables.yaml"), max_results=_MOST_FOUND)


class _GitHub(DeclaredConnector):
    """What no document can say of GitHub: outputs made of answers, files by their content, polls and refusals."""

    keyless_actions = ("create_issue", "add_comment", "add_labels", "dispatch_workflow", "dispatch_event")
    own_actions = _TABLES.actions

    own_polls = _TABLES.polls
    own_webhooks = WEBHOOKS

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Make the call. Issues give `number`, `title`, `state`, `url`, `labels` and `assignees`."""
        if params.get("repository"):
            repository_path(params["repository"])
        if action in files.NAMES:
            return files.change_file(action, params, Call(context))
        if action == "search_issues":
            return _search(Call(context), params)
        if action not in _OWN:
            return super().execute(action, params, context)
        method, path, body = _request(action, params)
        response = Call(context)(method, path, body, missing="Label" if action == "remove_label" else None)
        match action:
            case "create_issue" | "update_issue":
                return _issue(response)
            case "add_comment":
                found = json_object("GitHub", response)
                return {"id": found.get("id"), "url": found.get("html_url")}
            case "add_labels" | "remove_label":
                return _labels(response)
            case "dispatch_workflow":
                return {"workflow": params["workflow"], "ref": (body or {})["ref"]}
        return {"event_type": params["event_type"]}

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """New issues: those of the fields of `create_issue`, with `body`, `author` and `created_at`."""
        if name != "new_issue":
            return super().poll(name, params, cursor, context)
        call, path = Call(context), f"{repository_path(params['repository'])}/issues"
        return find_new_issues(
            lambda query: json_list("GitHub", call("GET", path, query=query)), _summary, params, cursor
        )

    def register_webhook(
        self, name: str, params: dict[str, Any], url: str, secret: str, context: Context
    ) -> Registration:
        """Make a hook of the repository. GitHub sends it a ping at once."""
        made = Call(context)("POST", self._hooks(name, params), hook_document(params, url, secret))
        return Registration(id=str(json_object("GitHub", made).get("id") or ""))

    def find_webhook(self, name: str, params: dict[str, Any], url: str, context: Context) -> Registration | None:
        """The hook of the repository with this URL."""
        listed = Call(context)("GET", self._hooks(name, params), query={"per_page": 100})
        return find_hook(json_list("GitHub", listed), url)

    def remove_webhook(self, name: str, params: dict[str, Any], registration: Registration, context: Context) -> None:
        """Delete the hook."""
        path = f"{self._hooks(name, params)}/{quote_segment(registration.id)}"
        Call(context)("DELETE", path, missing="")

    def _hooks(self, name: str, params: dict[str, Any]) -> str:
        if name not in {webhook.name for webhook in WEBHOOKS}:
            raise unknown_webhook(self.code, name)
        return f"{repository_path(params['repository'])}/hooks"

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The request of the REST API, and its body."""
        if action in files.NAMES:
            return files.describe_change(action, params)
        if action == "search_issues":
            query = _search_query(params)
            return {"summary": f"GET /search/issues?q={query['q']}", "method": "GET", "query": query}
        if action not in _OWN:
            return super().describe(action, params, context)
        method, path, body = _request(action, params)
        return {"summary": f"{method} {path}", "method": method, "path": path, "body": body}

    def options(self, name: str, params: dict[str, Any], context: Context) -> list[tuple[str, str]]:
        """`repositories` of the token, newest first; of a repository its `labels`, `branches`, `workflows` and more."""
        if name == "repositories":
            return super().options(name, params, context)
        repository = params.get("repository")
        if not isinstance(repository, str) or "{" in repository or not repository:
            raise invalid_input(text("Select a repository first."))
        where = repository_path(repository)
        if name != "workflows":
            return super().options(name, params, context)
        listed = json_object("GitHub", Call(context)("GET", f"{where}/actions/workflows", query={"per_page": 100}))
        paths = [(each.get("path", "").rpartition("/")[2], each) for each in listed.get("workflows") or []]
        return [(file, f"{each.get('name', file)} ({file})") for file, each in paths if file]

    def check_connection(self, context: Context) -> str:
        """Ask for the limits, which costs none of them, and for the name of the token's owner."""
        call = Call(context)
        call("GET", "/rate_limit")
        try:
            user = json_object("GitHub", call("GET", "/user")).get("login")
            return text("Signed in as %(user)s.", user=user)
        except ConnectorError as error:
            if error.details.get("status") != 403:  # an app's token belongs to nobody
                raise
            return text("Signed in as an app.")

    def check_answer(self, request: str, response: HttpResponse, secrets: Iterable[str]) -> None:
        """Raise ConnectorError for a refusal."""
        check_answer(request, response)


GitHubConnector = declare(DOCUMENT, _GitHub)
_OWN = frozenset(action.name for action in _GitHub.own_actions)


def _request(action: str, params: dict[str, Any]) -> tuple[str, str, dict[str, Any] | None]:
    """(method, path, body) of an action on one repository. Raises ConnectorError."""
    where = repository_path(params["repository"])
    issue = f"{where}/issues/{params.get('number')}"
    match action:
        case "create_issue":
            return "POST", f"{where}/issues", _present(params, "title", "body", "labels", "assignees")
        case "update_issue":
            change = _present(params, "title", "body", "state", "labels", "assignees")
            if not change:
                raise invalid_input(text("Nothing to change. Set a title, text, state, labels or assignees."))
            return "PATCH", issue, change
        case "add_comment":
            return "POST", f"{issue}/comments", {"body": params["body"]}
        case "add_labels":
            return "POST", f"{issue}/labels", {"labels": _check_labels(params["labels"])}
        case "remove_label":
            return "DELETE", f"{issue}/labels/{quote_segment(params['label'])}", None
        case "dispatch_workflow":
            body = {"ref": params.get("ref") or "main", "inputs": params.get("inputs") or {}}
            return "POST", f"{where}/actions/workflows/{quote_segment(params['workflow'])}/dispatches", body
        case "dispatch_event":
            event = {"event_type": params["event_type"], "client_payload": params.get("payload") or {}}
            return "POST", f"{where}/dispatches", event
    raise unknown_action("github", action)


def _search_query(params: dict[str, Any]) -> dict[str, Any]:
    """The query of a search. Raises ConnectorError."""
    limit = params.get("limit") or 30
    if not 1 <= limit <= _MOST_FOUND:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name="limit", maximum=_MOST_FOUND))
    query = params["query"]
    if params.get("repository"):
        repository_path(params["repository"])
        query = f"{query} repo:{params['repository']}"
    return {"q": query, "per_page": limit}


def _search(call: Call, params: dict[str, Any]) -> dict[str, Any]:
    found = json_object("GitHub", call("GET", "/search/issues", query=_search_query(params)))
    items = [_summary(item) for item in found.get("items") or []]
    return {"total": found.get("total_count", len(items)), "items": items}


def _issue(response: HttpResponse) -> dict[str, Any]:
    return _summary(json_object("GitHub", response))


def _summary(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "number": found.get("number"),
        "title": found.get("title"),
        "state": found.get("state"),
        "url": found.get("html_url"),
        "labels": [_name(label, "name") for label in found.get("labels") or []],
        "assignees": [_name(person, "login") for person in found.get("assignees") or []],
    }


def _name(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else value


def _labels(response: HttpResponse) -> dict[str, Any]:
    found = [] if response.status == 404 else json_list("GitHub", response)  # 404: there was no such label to remove
    return {"labels": [_name(label, "name") for label in found]}


def _check_labels(values: list[Any]) -> list[str]:
    if not values or not all(isinstance(value, str) for value in values):
        raise invalid_input(text("Labels must be a list of names."))
    return values


def _present(params: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: params[name] for name in names if params.get(name) is not None}
