"""The one adapter that runs every declared connector, over the guarded session."""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from automate_connectors.adapters.base import (
    Action,
    ConnectorAdapter,
    RateLimit,
    unknown_action,
    unknown_poll,
    unknown_webhook,
)
from automate_connectors.adapters.polls import Poll, PollResult
from automate_connectors.adapters.webhooks import Registration, Webhook
from automate_connectors.context import Context
from automate_connectors.declared import answers, specs, webhooks
from automate_connectors.declared.document import (
    ActionPart,
    Auth,
    AuthKind,
    Document,
    EffectKind,
    Method,
    Options,
    Pages,
    WebhookPart,
)
from automate_connectors.declared.placing import put
from automate_connectors.declared.polls import find_items
from automate_connectors.declared.requests import (
    HIDDEN,
    Request,
    body_options,
    build_request,
    credentials,
    describe_request,
    effect_of,
    method_of,
    takes_key,
)
from automate_connectors.declared.templates import base_address, host_of, names_in
from automate_connectors.files.contents import Download
from automate_connectors.paging import MAX_ITEMS, MAX_PAGES, PagesRead, Paging, read_pages, value_at
from automate_connectors.web import as_text, group_query, invalid_input
from automate_egress import HttpResponse
from automate_plugins import text
from automate_plugins.fields import FieldKind
from automate_plugins.texts import marked

_MAX_OPTIONS = 1_000
_PATHS = re.compile(r"\{([^{}]+)\}")


class DeclaredConnector(ConnectorAdapter):
    """A connector made from a document. Each document has a subclass, made by `declare`."""

    document: ClassVar[Document]
    keyless_actions: ClassVar[tuple[str, ...]] = ()  #: actions that POST without an idempotency key
    extends: ClassVar[str] = ""  #: the code, where a site's file adds to the shipped connector of that code
    own_actions: ClassVar[tuple[Action, ...]] = ()  #: those that are written in Python
    own_polls: ClassVar[tuple[Poll, ...]] = ()  #: likewise
    own_webhooks: ClassVar[tuple[Webhook, ...]] = ()  #: likewise

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Send the request, or one a page, and return the result; of pages `items`, `count` and `complete`."""
        return _Call(self, self._part(action), params, context).output()

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The request: method, host, path, query and body, without what says who calls; of pages, the first."""
        part = self._part(action)
        hidden = {spec.name: HIDDEN for spec in self.config_fields if spec.kind is FieldKind.SECRET}
        made = build_request(self.document, part, _sent(part, params), {**self._settings(context), **hidden})
        where = urlsplit(made.url)
        request = f"{made.method} {where.scheme}://{where.netloc}{where.path}"
        label = marked(part.label or part.name)
        summary = text("%(action)s: %(request)s", action=label, request=request)
        return {"summary": summary, **describe_request(part, made)}

    def reads_only(self, action: str, params: dict[str, Any]) -> bool:
        """Whether its request is a GET."""
        return any(part.name == action and method_of(part) is Method.GET for part in self.document.actions)

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check the addresses that the settings make. Raises ConnectorError.

        One that needs a setting which may be left empty is checked when the provider of the sign-in has named it.
        """
        settings = {**self._defaults(), **config}
        later = {spec.name for spec in self.config_fields if not spec.required and not settings.get(spec.name)}
        for template in specs.base_urls(self.document):
            if settings.get("base_url") or not later & set(names_in(template)):
                base_address(template, settings)

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """The hosts of its base URLs."""
        settings = {**self._defaults(), **config}
        found = (host_of(template, settings) for template in specs.base_urls(self.document))
        return tuple(dict.fromkeys(filter(None, found)))

    def options(self, name: str, params: dict[str, Any], context: Context) -> list[tuple[str, str]]:
        """The list that another action gives, as (value, label)."""
        rule = self.document.options[name]
        part = self.document.action(rule.action)
        wanted = {spec.name: rule.params.get(spec.name, spec.name) for spec in part.fields}
        given = {inner: params[outer] for inner, outer in wanted.items() if params.get(outer) not in (None, "")}
        for spec in part.fields:
            is_open = "{{" in str(given.get(spec.name, ""))
            if is_open or (spec.required and spec.name not in given and spec.default is None):
                raise invalid_input(text("Fill in %(name)s first.", name=wanted[spec.name]))
        given = {**{spec.name: spec.default for spec in part.fields if spec.default is not None}, **given}
        if part.pages is not None:
            given["limit"] = _MAX_OPTIONS
        output = _Call(self, part, given, context).output()
        items = value_at(output, rule.items or ("items" if part.pages else ""))
        found = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
        pairs = [(value_at(item, rule.value), _label(rule, item)) for item in found if _is_offered(rule, item)]
        return [(str(value), str(label or value)) for value, label in pairs if value is not None][:_MAX_OPTIONS]

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """The items of the poll's list that were not in it before."""
        try:
            rule = self.document.poll(name)
        except LookupError:
            raise unknown_poll(self.code, name) from None

        return find_items(self.document, rule, params, cursor, self._caller(context))

    def register_webhook(
        self, name: str, params: dict[str, Any], url: str, secret: str, context: Context
    ) -> Registration:
        """Call the action of the webhook that registers."""
        return webhooks.register(self.document, self._webhook(name), params, url, secret, self._caller(context))

    def find_webhook(self, name: str, params: dict[str, Any], url: str, context: Context) -> Registration | None:
        """The registration with the URL, in the list that the webhook names."""
        return webhooks.find(self.document, self._webhook(name), params, url, self._caller(context))

    def remove_webhook(self, name: str, params: dict[str, Any], registration: Registration, context: Context) -> None:
        """Call the action of the webhook that removes."""
        webhooks.remove(self.document, self._webhook(name), params, registration, self._caller(context))

    def check_connection(self, context: Context) -> str:
        """Call the action of the check, and say which account it found."""
        rule = self.document.check
        if rule is None:
            raise NotImplementedError
        output = _Call(self, self.document.action(rule.action), dict(rule.params), context).output()
        account = next((str(found) for path in rule.account if (found := value_at(output, path))), "")
        if not account:
            return text("Signed in to %(name)s.", name=self.document.name)
        return text("Signed in to %(name)s as %(user)s.", name=self.document.name, user=account)

    def check_answer(self, request: str, response: HttpResponse, secrets: Iterable[str]) -> None:
        """Raise ConnectorError for an answer that has failed; `request` is shown, `secrets` are masked."""
        answers.check(self.document, request, response, secrets)

    def scopes_for(self, provider: str) -> str:
        """Those of `auth`, at its provider: a connection that may sign in instead of having a token has them, too."""
        return self.document.auth.scopes if provider == self.document.auth.provider else ""

    @property
    def can_check(self) -> bool:
        """Whether the document has a check, or a subclass has one in Python."""
        return self.document.check is not None or type(self).check_connection is not DeclaredConnector.check_connection

    def _caller(self, context: Context) -> Callable[[str, dict[str, Any]], _Call]:
        """Make calls of actions, hidden ones too."""
        return lambda action, given: _Call(self, self.document.action(action), given, context)

    def _webhook(self, name: str) -> WebhookPart:
        try:
            return self.document.webhook(name)
        except LookupError:
            raise unknown_webhook(self.code, name) from None

    def _part(self, name: str) -> ActionPart:
        try:
            part = self.document.action(name)
        except LookupError:
            raise unknown_action(self.code, name) from None
        if part.hidden:
            raise unknown_action(self.code, name)
        return part

    def _defaults(self) -> dict[str, Any]:
        return {spec.name: spec.default for spec in self.config_fields if spec.default is not None}

    def _settings(self, context: Context) -> dict[str, Any]:
        """The connection's settings; where one is empty, what the provider of its sign-in named, or the default."""
        given = context.get("connection") or {}
        kept = given.get("oauth")
        known = {spec.name for spec in self.config_fields if spec.kind is not FieldKind.SECRET}
        named = {name: value for name, value in kept.items() if name in known} if isinstance(kept, dict) else {}
        filled = {name: value for name, value in given.items() if value not in (None, "")}
        return {**self._defaults(), **named, **filled}


def declare(document: Document, base: type[DeclaredConnector] = DeclaredConnector) -> type[DeclaredConnector]:
    """Return the connector class of a checked document.

    `base` has what no document can say: actions, polls and webhooks of its own, which its own methods take, and other
    methods of the contract.
    """
    keyless = tuple(
        part.name
        for part in document.actions
        if method_of(part) is Method.POST and not (takes_key(document, part) or part.key_at) and not part.hidden
    )
    members = {
        "__doc__": document.description,
        "__module__": base.__module__,
        "document": document,
        "code": document.code,
        "name": document.name,
        "description": document.description,
        "icon": document.icon,
        "hue": document.hue,
        "oauth_provider": document.auth.provider if document.auth.type is AuthKind.OAUTH else "",
        "oauth_scopes": document.auth.scopes,
        "takes_sign_in": _takes_sign_in(document.auth),
        "config_fields": specs.config_fields(document),
        "actions": (*base.own_actions, *(_action(part) for part in document.actions if not part.hidden)),
        "polls": (*base.own_polls, *(specs.poll(document, part) for part in document.polls)),
        "webhooks": (*base.own_webhooks, *(specs.webhook(document, part) for part in document.webhooks)),
        "keyless_actions": (*base.keyless_actions, *keyless),
        "rate_limit": _rate_limit(document),
    }
    name = "".join(word.capitalize() for word in re.split(r"[_-]", document.code))
    return type(f"{name}Connector", (base,), members)


def _takes_sign_in(auth: Auth) -> bool:
    """Return whether an access token can be sent as these credentials are, or in a way of its own."""
    return auth.type in (AuthKind.BEARER, AuthKind.OAUTH) or bool(auth.provider) or auth.bearer


def _rate_limit(document: Document) -> RateLimit | None:
    rule = document.rate_limit
    if rule.requests is None and rule.concurrent is None:
        return None
    return RateLimit(requests=rule.requests, seconds=rule.seconds, concurrent=rule.concurrent)


def _action(part: ActionPart) -> Action:
    return Action(
        name=part.name,
        label=part.label,
        description=part.description,
        group=part.group,
        fields=specs.action_fields(part),
        moves_money=effect_of(part) is EffectKind.MOVES_MONEY,
        outputs=specs.outputs(part),
        needs_one_of=tuple(part.needs_one_of),
    )


def _sent(part: ActionPart, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs without the number of items, which `pages` sends in its own way."""
    return {name: value for name, value in params.items() if part.pages is None or name != specs.LIMIT}


class _Call:
    """One call of an action, made ready: everything but the page."""

    def __init__(
        self, connector: DeclaredConnector, part: ActionPart, params: Mapping[str, Any], context: Context
    ) -> None:
        self._connector, self._document, self._part, self._context = connector, connector.document, part, context
        self._limit = _limit(part, params)
        settings = connector._settings(context)
        self._made = build_request(self._document, part, _sent(part, params), settings, context.get("files"))
        if part.key_at:
            self._made.body = self._made.body or {}
            put(self._made.body, part.key_at, context["idempotency_key"])
        self._auth_headers, self._auth_query = credentials(self._document, settings)
        secret = [spec.name for spec in connector.config_fields if spec.kind is FieldKind.SECRET]
        self._secrets = [str(settings[name]) for name in (*secret, "access_token") if settings.get(name)]

    def output(self) -> Any:
        """Send the request or the requests, and return the output. Raises ConnectorError, EgressError."""
        rule = self._part.pages
        if self._part.answer == "file":
            with Download(self._context["files"]) as download:
                response = self._send(self._made.url, {}, into=download.spool, max_bytes=download.max_bytes)
                return {"file": download.store(response)}
        if rule is None:
            return answers.result_of(self._part, self._document.name, self._send(self._made.url, {}))
        found = self._read_pages(rule, self._limit)
        items, name = found.items, self._document.name
        if self._part.sample is not None:
            items = [answers.output_of(item, self._part, name, found.response) for item in items]
        return {"items": items, "count": len(items), "complete": found.complete}

    def body(self, max_bytes: int) -> bytes:
        """Send the request, and return the body of the answer, which may be larger than that of others.

        Raises ConnectorError, EgressError.
        """
        with tempfile.SpooledTemporaryFile() as spool:
            response = self._send(self._made.url, {}, into=spool, max_bytes=max_bytes)
            spool.seek(0)
            return response.body or spool.read()

    def read_list(self, place: str, is_enough: Callable[[list[Any]], bool]) -> PagesRead:
        """Read the list of all pages, until it is enough; without pages, that at `place` of the output.

        Raises ConnectorError, EgressError.
        """
        if self._part.pages is not None:

            def is_last(items: list[Any]) -> bool:
                return is_enough([answers.selected(item, self._part) for item in items])

            found = self._read_pages(self._part.pages, MAX_ITEMS, is_last)
            return replace(found, items=[answers.selected(item, self._part) for item in found.items])
        response = self._send(self._made.url, {})
        found = value_at(answers.result_of(self._part, self._document.name, response), place)
        return PagesRead(items=found, pages=1, complete=True, response=response)

    def _read_pages(
        self, rule: Pages, most: int, is_enough: Callable[[list[Any]], bool] = lambda _: False
    ) -> PagesRead:
        size = min(rule.size.most, self._limit) if rule.size else 0
        return read_pages(
            _paging(rule, size),
            lambda url, changes: self._send(url, changes),
            url=self._made.url,
            max_pages=MAX_PAGES,
            max_items=most,
            cancelled=self._context["cancelled"],
            is_enough=is_enough,
        )

    def _send(self, url: str, changes: Mapping[str, Any] | None, **into: Any) -> HttpResponse:
        """The good answer to one request; `changes` None for a URL that is complete, `into` for its body."""
        made, rule = self._made, self._part.pages
        if rule is not None and rule.size is not None and changes is not None:
            changes = {rule.size.parameter: min(rule.size.most, self._limit), **changes}
        query = [] if changes is None else list(made.query)
        body = made.body
        if changes and rule is not None and rule.where == "body":
            body = copy.deepcopy(body or {})
            for place, value in changes.items():
                put(body, place, value)
        elif changes:
            query += [(name, str(value)) for name, value in changes.items()]
        sent = Request(method=made.method, url=url, body=body, files=made.files)
        options, headers = body_options(self._part, sent, self._context["idempotency_key"])
        headers = {**made.headers, **headers}
        if takes_key(self._document, self._part):
            key = (self._document.idempotency, self._context["idempotency_key"])
            if self._document.idempotency_in == "query":
                query.append(key)
            else:
                headers.update([key])
        inside = {name for name, _ in parse_qsl(urlsplit(url).query)}
        query += [(name, value) for name, value in self._auth_query if name not in inside]
        self._context["log"](f"{self._document.name} {made.shown}")
        response = self._context["http"].request(
            made.method,
            url,
            headers={**headers, **self._auth_headers},
            params=group_query(query) or None,
            follow_redirects=made.method == Method.GET,
            **options,
            **into,
        )
        self._connector.check_answer(made.shown, response, self._secrets)
        return response


def _paging(rule: Pages, size: int) -> Paging:
    return Paging(
        kind=rule.kind,
        items=rule.items,
        cursor=rule.cursor,
        parameter=rule.parameter,
        first_page=rule.first,
        last_item=rule.last_item,
        more=rule.more,
        may_lack=rule.may_lack,
        size=size,
    )


def _is_offered(rule: Options, item: dict[str, Any]) -> bool:
    if isinstance(rule.only, str):
        return not rule.only or bool(value_at(item, rule.only))
    return all(value_at(item, path) == wanted for path, wanted in rule.only.items())


def _label(rule: Options, item: dict[str, Any]) -> Any:
    """The text at the path, or the text with paths in braces, without those that lead to nothing."""
    if "{" not in rule.label:
        return value_at(item, rule.label)

    def found(match: re.Match[str]) -> str:
        value = value_at(item, match[1])
        return "" if value is None else as_text(value)

    return " ".join(_PATHS.sub(found, rule.label).split())


def _limit(part: ActionPart, params: Mapping[str, Any]) -> int:
    if part.pages is None:
        return 0
    limit = params.get(specs.LIMIT)
    limit = part.pages.limit if limit is None else limit
    if not 1 <= limit <= MAX_ITEMS:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name=specs.LIMIT, maximum=MAX_ITEMS))
    return int(limit)
