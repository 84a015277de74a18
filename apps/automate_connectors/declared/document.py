"""The format of `connector.yaml`, version 1: a connector as data. docs/declared-connectors.md describes each name."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import msgspec

from automate_connectors.adapters.polls import LEAST_SECONDS
from automate_plugins.fields import FieldKind

FORMAT = 1


class Method(enum.StrEnum):
    """HTTP methods of actions."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Where(enum.StrEnum):
    """The part of a request that carries a field's value."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    BODY = "body"
    FILE = "file"
    MESSAGE = "message"  #: an email message within the body


class BodyKind(enum.StrEnum):
    """How a body is written."""

    JSON = "json"
    FORM = "form"  #: application/x-www-form-urlencoded, nested names in brackets
    MULTIPART = "multipart"
    RELATED = "related"  #: multipart/related: the inputs as JSON, then the content of the one file
    MERGE_PATCH = "merge_patch"  #: RFC 7396: null removes a value
    FILE = "file"  #: the content of the one file


class Arrays(enum.StrEnum):
    """How a list is written in a query or a form."""

    REPEAT = "repeat"  #: a=1&a=2
    COMMA = "comma"  #: a=1,2
    BRACKETS = "brackets"  #: a[]=1&a[]=2
    INDEX = "index"  #: a[0]=1&a[1]=2


class AuthKind(enum.StrEnum):
    """How a request says who calls."""

    NONE = "none"
    BEARER = "bearer"
    HEADER = "header"
    QUERY = "query"
    BASIC = "basic"
    OAUTH = "oauth"


class EffectKind(enum.StrEnum):
    """What an action does at the service."""

    READ = "read"
    WRITE = "write"
    MOVES_MONEY = "moves_money"


class PagesKind(enum.StrEnum):
    """How a service announces further pages."""

    CURSOR = "cursor"
    PAGE = "page"
    OFFSET = "offset"
    LINK = "link"


class Order(enum.StrEnum):
    """How a list is sorted."""

    NEWEST = "newest"  #: the newest item first
    OLDEST = "oldest"


class Clock(enum.StrEnum):
    """How a service writes the place of an item in time, or among numbers that only grow."""

    ISO = "iso"  #: ISO 8601; without a zone it is UTC
    SECONDS = "seconds"  #: since 1970
    MILLISECONDS = "milliseconds"
    NUMBER = "number"  #: no time


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of the document: unknown names are faults."""


class Column(Part, frozen=True, kw_only=True):
    """A field as FieldSpec describes it, without the place in a request."""

    name: str
    label: str = ""
    kind: FieldKind = FieldKind.TEXT
    required: bool = False
    default: Any = None
    help: str = ""
    choices: dict[str, str] | list[str] = []
    language: str = ""


class Setting(Column, frozen=True, kw_only=True):
    """A setting of a connection."""

    when: dict[str, str | list[str]] | None = None  #: one earlier choice, and the values of it that ask for this one


class ListColumn(Column, frozen=True, kw_only=True):
    """A field of each item of a list."""

    options: str = ""


class Field(ListColumn, frozen=True, kw_only=True):
    """An input of an action. `at` is a dotted place in the body, or the name in the query, header or form."""

    where: Where | None = msgspec.field(default=None, name="in")
    at: str | None = None
    arrays: Arrays | None = None
    template: str = ""  #: the text that is sent: `{value}` stands for the input
    each: str = ""  #: dotted place of each item of a list, in a mapping of its own
    chunks: Annotated[int, msgspec.Meta(ge=2)] | None = None  #: a text becomes a list of pieces of this length
    sensitive: bool = False
    literal: bool = False
    nested: bool = False  #: items of the list may be lists themselves
    shown: bool = False
    columns: list[ListColumn] = []


class Auth(Part, frozen=True, kw_only=True):
    """Who calls. `token`, `username` and `password` are templates of settings, such as `Bot {token}`."""

    type: AuthKind = AuthKind.NONE
    name: str = ""  #: of the header or the query parameter
    token: str = "{token}"  # noqa: S105 - a template
    username: str = "{username}"
    password: str = "{password}"  # noqa: S105 - a template
    provider: str = ""  #: of the OAuth catalogue
    scopes: str = ""  #: that all actions need together, with spaces between them
    bearer: bool = False  #: what a sign-in gives is sent as a bearer token, unlike the credentials of `type`


class Errors(Part, frozen=True, kw_only=True):
    """Where a failed answer says why. Paths are dotted; the first that leads to a value counts."""

    message: list[str] = []
    code: list[str] = []
    success: str = ""  #: an answer is good only when this is true
    failure: str | list[str] = ""  #: an answer has failed when there is something at one of these paths
    reconnect: list[str] = []  #: codes that mean: these credentials are not accepted any more
    retry: list[str] = []  #: codes that mean: the same call may succeed later
    advice: dict[str, str] = {}  #: what to do, by code or by HTTP status


class RateLimit(Part, frozen=True, kw_only=True):
    """How often a service may be called, and how it says that it was called too often. Retry-After is always read.

    At most `requests` calls in any `seconds`, and `concurrent` at once, on each connection that sets no limit itself.
    """

    requests: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None
    seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 60
    concurrent: Annotated[int, msgspec.Meta(ge=1, le=1_000)] | None = None
    statuses: tuple[int, ...] = (429,)
    remaining: str = ""  #: a header that is 0 where a 403 is a limit
    reset: str = ""  #: a header with the time of the end of the limit
    reset_in: Literal["epoch", "seconds", "milliseconds"] = "epoch"
    wait_at: str = ""  #: dotted place of the seconds in the answer
    wait: float | None = None  #: seconds where nothing names any


class PageSize(Part, frozen=True, kw_only=True):
    """The parameter for the length of a page, and the largest that the service takes."""

    parameter: str
    most: int


class Pages(Part, frozen=True, kw_only=True):
    """Further pages of a list."""

    kind: PagesKind
    items: str = ""  #: dotted place of the list
    may_lack: bool = False  #: a list without items is left out of the answer
    cursor: str = ""  #: dotted place of the next cursor in the answer
    last_item: str = ""  #: the cursor is this member of the last item
    more: str = ""  #: dotted place of what says that there are further pages
    parameter: str = ""  #: that carries the cursor, page number or offset
    where: Literal["query", "body"] = msgspec.field(default="query", name="in")
    first: int = 1
    size: PageSize | None = None
    limit: int = 100  #: items that are asked for where a step names no number


class Constants(Part, frozen=True, kw_only=True):
    """Parts of a request that are always the same."""

    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}


class Output(Part, frozen=True, kw_only=True):
    """One value of an output."""

    name: str
    kind: FieldKind = FieldKind.TEXT


class ActionPart(Part, frozen=True, kw_only=True):
    """An action: one request, or one a page. `operation` takes what is missing from the OpenAPI document."""

    name: str
    label: str = ""
    description: str = ""
    group: str = ""
    hidden: bool = False  #: only for `check`, `options`, `polls` and `webhooks`
    operation: str = ""
    method: Method | None = None
    path: str = ""
    base_url: str = ""
    effect: EffectKind | None = None
    body: BodyKind = BodyKind.JSON
    json_part: str = ""  #: of a multipart body: the part that holds all other fields as JSON
    message_at: str = ""  #: of a JSON body: the place of the email message that the fields in `message` make
    arrays: Arrays | None = None
    fields: list[Field] = []
    without: list[str] = []  #: fields of the operation that are left out
    constants: Constants = Constants()
    needs_one_of: list[str] = []
    pages: Pages | None = None
    idempotent: bool | None = None  #: False: takes no idempotency key by `idempotency`
    key_at: str = ""  #: dotted place of the idempotency key in the body
    answer: Literal["json", "text", "file", "none"] = "json"
    result: str = ""  #: dotted place of the output in the answer
    select: dict[str, str] = {}  #: the names that are left of the output, of pages of each item, with their paths
    outputs: list[Output] | None = None
    sample: Any = None


class Options(Part, frozen=True, kw_only=True):
    """Where a field's options come from: the list that another action gives."""

    action: str
    items: str = ""  #: dotted place of the list in the action's output
    value: str = "id"
    label: str = "name"  #: a path, or a text with `{paths}`
    only: str | dict[str, str | bool] = ""  #: what is true in the items that are offered: a path, or values by paths
    params: dict[str, str] = {}  #: inputs of that action from inputs of the step


class Check(Part, frozen=True, kw_only=True):
    """The call that tests a connection, and where its output names the account."""

    action: str
    account: list[str] = []
    params: dict[str, Any] = {}


class Since(Part, frozen=True, kw_only=True):
    """The input of an action that asks only for what came after a time. All times are in seconds."""

    input: str
    template: str = "{since}"  #: of its value, also with other inputs of the poll
    form: Clock | None = msgspec.field(default=None, name="as")  #: where it is not that of the items
    first: Annotated[int, msgspec.Meta(ge=1)] | None = None  #: how far back the first call asks
    most: Annotated[int, msgspec.Meta(ge=1)] | None = None  #: how far back the service can be asked
    resets: Annotated[int, msgspec.Meta(ge=1)] | None = None  #: after so long without an item, the call asks for all


class Details(Part, frozen=True, kw_only=True):
    """The call that reads each new item: inputs of the action from paths in the item."""

    action: str
    params: dict[str, str]


class PollPart(Part, frozen=True, kw_only=True):
    """A poll: the list that an action gives is read again and again. Paths lead into an item, `{input}` fills them.

    With `time`, only what is newer than before is read, and `overlap` seconds (or numbers) more. Without it, the whole
    list is.
    """

    name: str
    label: str = ""
    description: str = ""
    action: str
    fields: list[str | Field] = []  #: inputs of the action by name, and others in full
    params: dict[str, Any] = {}  #: inputs of the action that are always the same
    items: str = ""  #: dotted place of the list in the output of an action without pages
    may_lack: bool = False  #: a list without items is left out of the output
    rows: bool = False  #: the items are lists, the first of them the names of the columns
    id: str | list[str] = "id"  #: the first path whose inputs are filled in
    version: str = ""  #: an item with another value here starts again
    time: str = ""
    time_in: Clock = Clock.ISO
    order: Order = Order.NEWEST
    overlap: Annotated[int, msgspec.Meta(ge=0)] = 120
    since: Since | None = None
    details: Details | None = None
    pairs: str = ""  #: a list of `name` and `value`, which becomes a mapping under the last name of this path
    least_seconds: Annotated[int, msgspec.Meta(ge=LEAST_SECONDS)] = 60
    sample: dict[str, Any] = {}  #: where it is not that of the action


class WebhookCall(Part, frozen=True, kw_only=True):
    """A call about a registration. In `params`, `{url}`, `{secret}`, `{events}`, `{id}` and inputs are filled in."""

    action: str
    params: dict[str, Any] = {}


class WebhookList(WebhookCall, frozen=True, kw_only=True):
    """The call that lists registrations; or the one there is, where the output is no list."""

    items: str = ""  #: dotted place of the list in the output of an action without pages
    url: str = "url"  #: path of the URL in an item


class WebhookPart(Part, frozen=True, kw_only=True):
    """A webhook: a registration at the service, and how its deliveries are signed. Paths lead into a registration."""

    name: str
    label: str = ""
    description: str = ""
    fields: list[str | Field] = []  #: inputs of the action that registers by name, and others in full
    scheme: str
    scheme_config: dict[str, Any] = {}
    events: dict[str, str] = {}  #: labels by event type
    other_events: bool = False
    register: WebhookCall
    listing: WebhookList = msgspec.field(name="list")
    remove: WebhookCall
    id: str = "id"  #: empty: the service has one registration, which its URL names
    expires: str = ""
    expires_in: Clock = Clock.ISO
    secret: str = ""  #: path of the secret, where the service makes it
    sample: dict[str, Any]


class Document(Part, frozen=True, kw_only=True):
    """A connector."""

    format: int
    code: str
    name: str
    description: str
    base_url: str
    icon: str = "power"
    hue: int = 250
    documentation: str = ""
    openapi: str = ""
    connection: list[Setting] = []
    auth: Auth = Auth()
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    errors: Errors = Errors()
    rate_limit: RateLimit = RateLimit()
    idempotency: str = ""  #: header, or parameter, of the idempotency key
    idempotency_in: Literal["header", "query"] = "header"
    check: Check | None = None
    options: dict[str, Options] = {}
    actions: list[ActionPart]
    polls: list[PollPart] = []
    webhooks: list[WebhookPart] = []

    def action(self, name: str) -> ActionPart:
        """Return the action of that name, hidden ones too. Raises LookupError."""
        for action in self.actions:
            if action.name == name:
                return action
        raise LookupError(name)

    def webhook(self, name: str) -> WebhookPart:
        """Return the webhook of that name. Raises LookupError."""
        for webhook in self.webhooks:
            if webhook.name == name:
                return webhook
        raise LookupError(name)

    def poll(self, name: str) -> PollPart:
        """Return the poll of that name. Raises LookupError."""
        for poll in self.polls:
            if poll.name == name:
                return poll
        raise LookupError(name)


msgspec.json.Decoder(Document)  # resolves all types before threads do so, which msgspec does not survive
