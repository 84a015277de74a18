"""GitHub connector: issues, comments, labels and workflow dispatches, by the REST API.

Source: https://docs.github.com/en/rest - errors carry `message` and, for 422, `errors`. The time to wait is in
Retry-After or, when x-ratelimit-remaining is 0, in x-ratelimit-reset (seconds since the epoch).
"""

from __future__ import annotations

import re
import time
from typing import Any

from automate_connectors.adapters.base import (
    Action,
    ConnectorAdapter,
    ConnectorError,
    Effect,
    unknown_action,
    unknown_poll,
)
from automate_connectors.adapters.github_polls import NEW_ISSUE, find_new_issues
from automate_connectors.adapters.polls import PollResult
from automate_connectors.web import http_error, invalid_input, json_list, json_object, quote_segment
from automate_egress import HttpResponse
from automate_governance.redaction.redactor import redact_and_truncate
from automate_plugins import ntext, text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import joined

_API = "https://api.github.com"
_VERSION = "2022-11-28"
_MOST_PAGES = 3
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_STATES = (("open", text("Open")), ("closed", text("Closed")))
_SECONDARY_WAIT = 60.0  # "wait at least one minute" where a secondary limit names no time

_WHERE = FieldSpec(
    name="repository",
    label=text("Repository"),
    required=True,
    help=text("For example octocat/hello-world"),
    options="repositories",
)
_NUMBER = FieldSpec(
    name="number",
    label=text("Number"),
    kind=FieldKind.INTEGER,
    required=True,
    help=text("Number of the issue or pull request"),
)
_LABELS = FieldSpec(name="labels", label=text("Labels"), kind=FieldKind.LIST, options="labels")
_ASSIGNEES = FieldSpec(
    name="assignees", label=text("Assignees"), kind=FieldKind.LIST, help=text("User names"), options="assignees"
)


def _action(name: str, label: str, description: str, *fields: FieldSpec) -> Action:
    return Action(name=name, label=label, description=description, effect=Effect.EFFECTFUL, fields=fields)


class GitHubConnector(ConnectorAdapter):
    """Each action is one call of the REST API."""

    code = "github"
    name = "GitHub"
    description = text("Work with issues and start workflows")
    icon = "code"
    hue = 270
    config_fields = (
        FieldSpec(
            name="token",
            label=text("Token"),
            kind=FieldKind.SECRET,
            required=True,
            help=text(
                "Fine-grained token. Permissions: Issues (read and write); Actions or Contents (write) for dispatches."
            ),
        ),
        FieldSpec(name="base_url", label=text("API URL"), kind=FieldKind.URL, default=_API),
    )
    actions = (
        _action(
            "create_issue",
            text("Create issue"),
            text("Open a new issue in a repository"),
            _WHERE,
            FieldSpec(name="title", label=text("Title"), required=True),
            FieldSpec(name="body", label=text("Text"), kind=FieldKind.LONG_TEXT),
            _LABELS,
            _ASSIGNEES,
        ),
        _action(
            "update_issue",
            text("Update issue"),
            text("Change the given fields and keep the others"),
            _WHERE,
            _NUMBER,
            FieldSpec(name="title", label=text("Title")),
            FieldSpec(name="body", label=text("Text"), kind=FieldKind.LONG_TEXT),
            FieldSpec(name="state", label=text("State"), kind=FieldKind.CHOICE, choices=_STATES),
            _LABELS,
            _ASSIGNEES,
        ),
        _action(
            "search_issues",
            text("Search issues"),
            text("Find issues and pull requests"),
            FieldSpec(name="query", label=text("Query"), required=True, help=text("For example is:open label:bug")),
            FieldSpec(
                name="repository",
                label=text("Repository"),
                help=text("Limits the search to this repository"),
                options="repositories",
            ),
            FieldSpec(
                name="limit",
                label=text("Maximum results"),
                kind=FieldKind.INTEGER,
                default=30,
                help=text("Up to %(count)s", count=100),
            ),
        ),
        _action(
            "add_comment",
            text("Add comment"),
            text("Comment on an issue or pull request"),
            _WHERE,
            _NUMBER,
            FieldSpec(name="body", label=text("Text"), kind=FieldKind.LONG_TEXT, required=True),
        ),
        _action(
            "add_labels",
            text("Add labels"),
            text("Add labels and keep the existing ones"),
            _WHERE,
            _NUMBER,
            FieldSpec(name="labels", label=text("Labels"), kind=FieldKind.LIST, required=True, options="labels"),
        ),
        _action(
            "remove_label",
            text("Remove label"),
            text("Remove a label from an issue. A missing label is not an error."),
            _WHERE,
            _NUMBER,
            FieldSpec(name="label", label=text("Label"), required=True, options="labels"),
        ),
        _action(
            "dispatch_workflow",
            text("Start workflow"),
            text("Start a GitHub Actions workflow that has a workflow_dispatch trigger"),
            _WHERE,
            FieldSpec(
                name="workflow",
                label=text("Workflow"),
                required=True,
                help=text("File name, for example deploy.yml"),
                options="workflows",
            ),
            FieldSpec(name="ref", label=text("Branch or tag"), default="main", options="branches"),
            FieldSpec(name="inputs", label=text("Inputs"), kind=FieldKind.MAPPING),
        ),
        _action(
            "dispatch_event",
            text("Send event"),
            text("Send a repository_dispatch event to a repository"),
            _WHERE,
            FieldSpec(name="event_type", label=text("Event type"), required=True),
            FieldSpec(name="payload", label=text("Payload"), kind=FieldKind.MAPPING),
        ),
    )

    polls = (NEW_ISSUE,)

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """GitHub, unless another address is configured."""
        return ("api.github.com",)

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Make the call. Issues give `number`, `title`, `state`, `url`, `labels` and `assignees`."""
        call = _Call(context)
        if action == "search_issues":
            return _search(call, params)
        method, path, body = _request(action, params)
        response = call(method, path, body, missing_is_fine=action == "remove_label")
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

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: dict[str, Any]) -> PollResult:
        """New issues: those of the fields of `create_issue`, with `body`, `author` and `created_at`."""
        if name != NEW_ISSUE.name:
            raise unknown_poll(self.code, name)
        call, path = _Call(context), f"{_path(params['repository'])}/issues"
        return find_new_issues(
            lambda query: json_list("GitHub", call("GET", path, query=query)), _summary, params, cursor
        )

    def describe(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> dict[str, Any]:
        """The request of the REST API, and its body."""
        if action == "search_issues":
            query = _search_query(params)
            return {"summary": f"GET /search/issues?q={query['q']}", "method": "GET", "query": query}
        method, path, body = _request(action, params)
        return {"summary": f"{method} {path}", "method": method, "path": path, "body": body}

    def options(self, name: str, params: dict[str, Any], context: dict[str, Any]) -> list[tuple[str, str]]:
        """`repositories` of the token, newest first; a repository's `labels`, `assignees`, `branches`, `workflows`.

        Up to three hundred of each.
        """
        call = _Call(context)
        if name == "repositories":
            found = _pages(call, "/user/repos", sort="pushed")
            return [(each["full_name"], each["full_name"]) for each in found if "full_name" in each]
        repository = params.get("repository")
        if not isinstance(repository, str) or "{" in repository or not repository:
            raise invalid_input(text("Select a repository first."))
        where = _path(repository)
        if name == "workflows":
            listed = json_object("GitHub", call("GET", f"{where}/actions/workflows", query={"per_page": 100}))
            paths = [(each.get("path", "").rpartition("/")[2], each) for each in listed.get("workflows") or []]
            return [(file, f"{each.get('name', file)} ({file})") for file, each in paths if file]
        key = {"labels": "name", "branches": "name", "assignees": "login"}[name]
        return [(each[key], each[key]) for each in _pages(call, f"{where}/{name}") if key in each]

    def check_connection(self, context: dict[str, Any]) -> str:
        """Ask for the limits, which costs none of them, and for the name of the token's owner."""
        call = _Call(context)
        call("GET", "/rate_limit")
        try:
            user = json_object("GitHub", call("GET", "/user")).get("login")
            return text("Signed in as %(user)s.", user=user)
        except ConnectorError as error:
            if error.details.get("status") != 403:  # an app's token belongs to nobody
                raise
            return text("Signed in as an app.")


class _Call:
    """One call of the API, with the connection's token."""

    def __init__(self, context: dict[str, Any]) -> None:
        self._context = context
        connection = context["connection"]
        self._base = (connection.get("base_url") or _API).rstrip("/")
        self._token = connection.get("token") or connection.get("access_token")
        if not self._token:
            raise invalid_input(text("Select a GitHub connection that has a token."))

    def __call__(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        query: dict[str, Any] | None = None,
        missing_is_fine: bool = False,
    ) -> HttpResponse:
        self._context["log"](f"GitHub {method} {path}")
        response: HttpResponse = self._context["http"].request(
            method,
            self._base + path,
            headers={
                "Authorization": f"Bearer {self._token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": _VERSION,
            },
            params=query,
            json=body,
        )
        if response.status < 400 or (missing_is_fine and response.status == 404 and "Label" in response.text):
            return response
        raise _refusal_error(f"{method} {path}", response)


def _refusal_error(what: str, response: HttpResponse) -> ConnectorError:
    message = _reason(response)
    limited = response.headers.get("x-ratelimit-remaining") == "0" or "rate limit" in message.lower()
    if response.status == 429 or (response.status == 403 and limited):
        wait = _wait(response)
        return http_error(
            joined(
                [
                    ntext(
                        "GitHub asks to wait %(count)s second.", "GitHub asks to wait %(count)s seconds.", round(wait)
                    ),
                    message,
                ]
            ),
            response,
            code="rate_limited",
            retryable=True,
            wait=wait,
        )
    advice = {
        401: text("Reconnect the connection or replace its token."),
        403: text("The token lacks a permission for this repository."),
        404: text("Check the repository, the number and the token's permissions."),
        410: text("Issues are turned off in this repository."),
        422: text("GitHub rejected these values."),
    }.get(response.status, "")
    code = "needs_reconnect" if response.status == 401 else ""
    refusal = text("GitHub rejected %(request)s with HTTP %(status)s.", request=what, status=response.status)
    if message:
        refusal = text(
            "GitHub rejected %(request)s with HTTP %(status)s: %(message)s",
            request=what,
            status=response.status,
            message=message,
        )
    return http_error(joined([refusal, advice]), response, code=code)


def _reason(response: HttpResponse) -> str:
    """GitHub's message, with what it says of single fields."""
    try:
        found = response.json()
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    errors = found.get("errors") if isinstance(found.get("errors"), list) else []
    fields = [
        str(one.get("message") or f"{one.get('field')} is {one.get('code')}") if isinstance(one, dict) else str(one)
        for one in errors or []
    ]
    reasons = [str(found["message"])] if found.get("message") else []
    given = "; ".join([*reasons, *fields])
    return redact_and_truncate(given, 500).rstrip(".") + "." if given else ""


def _wait(response: HttpResponse) -> float:
    """Seconds to wait, as the headers tell it."""
    if response.retry_after is not None:
        return response.retry_after
    reset = response.headers.get("x-ratelimit-reset", "")
    if response.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        return max(1.0, float(reset) - time.time())
    return _SECONDARY_WAIT


def _path(repository: str) -> str:
    if not _REPOSITORY.fullmatch(repository) or {".", ".."} & set(repository.split("/")):
        raise invalid_input(
            text(
                "%(value)s is not a repository. Use owner/name, for example octocat/hello-world.",
                value=repr(repository[:100]),
            )
        )
    return f"/repos/{repository}"


def _pages(call: _Call, path: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in range(1, _MOST_PAGES + 1):
        items = call("GET", path, query={**query, "per_page": 100, "page": page}).json()
        found += [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        if not isinstance(items, list) or len(items) < 100:
            break
    return found


def _request(action: str, params: dict[str, Any]) -> tuple[str, str, dict[str, Any] | None]:
    """(method, path, body) of an action on one repository. Raises ConnectorError."""
    where = _path(params["repository"])
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
    if not 1 <= limit <= 100:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name="limit", maximum=100))
    query = params["query"]
    if params.get("repository"):
        _path(params["repository"])
        query = f"{query} repo:{params['repository']}"
    return {"q": query, "per_page": limit}


def _search(call: _Call, params: dict[str, Any]) -> dict[str, Any]:
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
