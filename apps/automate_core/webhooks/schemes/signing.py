"""Signature schemes: how a sender proves its identity, names a delivery, and names the event type.

Verification works on bytes, in constant time, and tries every secret without an early exit. Clocks are the server's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple
from urllib.parse import parse_qs

from automate_plugins import text
from automate_plugins.errors import AutomateError
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.members import check_members

TOLERANCE_SECONDS = 300
SHORTEST_SECRET = 16
MOST_OFFERED = 20  # signatures in one delivery that are looked at

MOST_CODE = 50  #: characters, as the column of an endpoint's scheme
_CODE = re.compile(r"[a-z][a-z0-9_-]*")
_TEXTS = ("code", "name", "proof", "key", "kind", "shown_by", "json_field")
_SWITCHES = ("signed", "has_secret", "can_sign", "may_block", "takes_cloudevents", "proves_body_alone")
_KINDS = (FieldKind.TEXT, FieldKind.CHOICE, FieldKind.INTEGER)  #: of fields that an endpoint's form can show
FORM = "application/x-www-form-urlencoded"

type Headers = Mapping[str, str]  # names in lower case


class SchemeError(AutomateError, ValueError):
    """A scheme that does not exist, or whose configuration does not fit; `field` is the endpoint's field at fault."""

    field = "config"


class Delivery(NamedTuple):
    """A request as it came: headers, the raw body, and `target`, the path with its query string."""

    headers: Headers
    body: bytes
    target: str = ""

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


@dataclass(frozen=True, slots=True)
class Reply:
    """The body that a sender expects in place of 202 and the trace id, with status 200."""

    content: bytes = b""
    content_type: str = "text/plain"


class SignatureScheme(ABC):
    """The rules of one sender, found in the group `django_automate.signature_schemes`.

    Its class is called with the endpoint's own configuration, which it checks: SchemeError for one that does not fit.
    `proof`, `key` and `kind` describe for people where the proof, the delivery's key and its type are. Instances are
    shared by threads. A scheme `may_block` when verification waits for another system; it then runs in a thread.
    """

    code: ClassVar[str]
    name: ClassVar[str]
    proof: ClassVar[str]
    key: ClassVar[str]
    kind: ClassVar[str]
    signed: ClassVar[bool] = True
    has_secret: ClassVar[bool] = True  #: whether an endpoint has a secret, or public key, that verification needs
    can_sign: ClassVar[bool] = True  #: whether `sign` makes deliveries: not where the sender alone has the key
    may_block: ClassVar[bool] = False
    example_config: ClassVar[Mapping[str, Any]] = {}  #: a configuration that fits, where the empty one does not
    json_types: ClassVar[tuple[str, ...]] = ()  #: content types besides JSON's own under which it sends JSON
    takes_cloudevents: ClassVar[bool] = False
    proves_body_alone: ClassVar[bool] = True  #: so that a CloudEvent in headers could be anybody's
    json_field: ClassVar[str] = ""  #: a form with this field alone is the JSON in it
    safe_headers: tuple[str, ...] = ()  #: stored with the event, beside the general ones
    config_fields: ClassVar[tuple[FieldSpec, ...]] = ()  #: what `config` may hold
    shown_by: ClassVar[str] = ""  #: where the sender shows the secret, when it is the sender that makes it

    def __init__(self, config: Mapping[str, Any]) -> None:
        if config:
            raise SchemeError(
                text(
                    "%(scheme)s has no such settings. Remove %(names)s.",
                    scheme=self.name,
                    names=", ".join(map(str, config)),
                )
            )

    # --- proof --------------------------------------------------------------------------------------------------------

    @abstractmethod
    def offered(self, headers: Headers) -> Sequence[str]:
        """The signatures in a delivery; none when it has none."""

    @abstractmethod
    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        """The signatures that a holder of `secret` may give to this delivery."""

    def is_timely(self, delivery: Delivery) -> bool:
        """Whether its timestamp is near enough, where the scheme signs one."""
        return True

    def match(self, secrets: Sequence[str], delivery: Delivery) -> int | None:
        """The index of the secret that the delivery is signed with, or None. Never raises."""
        proofs = self.offered(delivery.headers)[:MOST_OFFERED]
        offered = [each.encode("utf-8", "replace") for each in proofs if each]
        found = None
        for index, secret in enumerate(secrets):
            matches = False
            for wanted in self.expected(secret, delivery):
                for given in offered:
                    matches |= hmac.compare_digest(wanted.encode(), given)
            found = index if matches and found is None else found
        return found if self.is_timely(delivery) else None

    def new_secret(self) -> str:
        """A new random secret, in the form that the sender accepts."""
        return secrets.token_hex(32)

    def secret_problem(self, secret: str) -> str | None:
        """The sentence that says why `secret` cannot be used, or None: a short one can be guessed."""
        return (
            None
            if len(secret) >= SHORTEST_SECRET
            else text("The secret is shorter than %(count)s characters.", count=SHORTEST_SECRET)
        )

    # --- sending ------------------------------------------------------------------------------------------------------

    def address(self, url: str, body: bytes, content_type: str) -> str:
        """The address that the sender would post `body` to."""
        return url

    @abstractmethod
    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        """The headers with which the sender would deliver `body` to `url`. Used to send, and to test.

        Raises SchemeError where only the sender can sign.
        """

    # --- what it says -------------------------------------------------------------------------------------------------

    @abstractmethod
    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        """The key that repeated deliveries of an event share, or None when the scheme has none."""

    @abstractmethod
    def event_type(self, headers: Headers, payload: Any) -> str:
        """The kind of event, empty when the scheme names none."""

    def is_test(self, headers: Headers) -> bool:
        """Whether it is the sender's test of the endpoint, which starts only workflows that listen to its very type."""
        return False

    def challenge(self, payload: Any) -> Reply | None:
        """The answer to a delivery that is a challenge and no event, else None."""
        return None

    def reply(self, payload: Any) -> Reply | None:
        """The body that the sender expects once its event is accepted, in place of 202."""
        return None


class PublicKeyScheme(SignatureScheme):
    """A scheme whose sender signs with a private key, so that nothing here can sign a delivery.

    `is_signed` decides by a public key, which takes the place of the secret.
    """

    can_sign: ClassVar[bool] = False

    @abstractmethod
    def is_signed(self, key: str, delivery: Delivery) -> bool:
        """Whether the private key of this public key signed the delivery. Never raises."""

    def offered(self, headers: Headers) -> Sequence[str]:
        """None: a signature is verified, not compared."""
        return []

    def expected(self, secret: str, delivery: Delivery) -> Sequence[str]:
        """None: a signature is verified, not compared."""
        return []

    def match(self, secrets: Sequence[str], delivery: Delivery) -> int | None:
        """The index of the key that the delivery is signed with, or None. Never raises."""
        found = None
        for index, key in enumerate(secrets):
            found = index if self.is_signed(key, delivery) and found is None else found
        return found if self.is_timely(delivery) else None

    def sign(
        self, secret: str, body: bytes, *, event_type: str, delivery: str, url: str = "", content_type: str = ""
    ) -> dict[str, str]:
        """Raises SchemeError: the private key is the sender's."""
        raise SchemeError(
            text("Only %(sender)s can sign its deliveries. Send a test from there.", sender=self.name), field="scheme"
        )

    def new_secret(self) -> str:
        """Raises SchemeError: the key is the sender's."""
        raise SchemeError(text("Paste the public key of the sender."), field="secret")


def verify_scheme(scheme: SignatureScheme) -> None:
    """Raise TypeError for a scheme that the forms and the receivers cannot use."""
    for attributes, kind, article in ((_TEXTS, str, "text"), (_SWITCHES, bool, "boolean")):
        for name in attributes:
            if not isinstance(getattr(scheme, name, None), kind):
                raise TypeError(f"{name} must be {article}")
    if not _CODE.fullmatch(scheme.code) or len(scheme.code) > MOST_CODE:
        raise TypeError(f"code must be lower-case letters, digits, _ and -, at most {MOST_CODE}")
    for name in ("safe_headers", "json_types"):
        check_members(name, getattr(scheme, name), str, "texts")
    fields = scheme.config_fields
    check_members("config_fields", fields, FieldSpec)
    if found := [field.name for field in fields if field.kind not in _KINDS]:
        raise TypeError(f"config_fields may be of the kinds TEXT, CHOICE and INTEGER, not {', '.join(found)}")


def token_problem(secret: str) -> str | None:
    """The sentence that says why a secret cannot be sent in a header, or None."""
    return (
        None
        if secret.isascii() and secret.isprintable()
        else text("The secret must consist of printable ASCII characters.")
    )


def field(payload: Any, path: str) -> str:
    """The text at a dotted path of a mapping; empty when there is none. A number is given in digits."""
    for part in path.split("."):
        payload = payload.get(part) if isinstance(payload, dict) else None
    if isinstance(payload, int) and not isinstance(payload, bool):
        return str(payload)
    return payload if isinstance(payload, str) else ""


def hex_hmac(secret: str, signed: bytes, algorithm: str = "sha256") -> str:
    """HMAC in lower-case hexadecimal digits."""
    return hmac.digest(secret.encode(), signed, algorithm).hex()


def base64_hmac(secret: str, signed: bytes, algorithm: str = "sha256") -> str:
    """HMAC in base64."""
    return base64.b64encode(hmac.digest(secret.encode(), signed, algorithm)).decode()


def digest(signed: bytes) -> str:
    """A hash that tells two signed texts apart, for schemes without a delivery key."""
    return hashlib.sha256(signed).hexdigest()


def is_recent(timestamp: str) -> bool:
    """Whether the timestamp, seconds since 1970 in digits, is within five minutes of the server's clock."""
    return (
        timestamp.isascii()
        and timestamp.isdigit()
        and len(timestamp) <= 15
        and abs(time.time() - int(timestamp)) <= TOLERANCE_SECONDS
    )


def current_timestamp() -> str:
    """The timestamp of a delivery that is sent now."""
    return str(int(time.time()))


def form_fields(body: bytes) -> dict[str, list[str]]:
    """Return the fields of a form-encoded body, for signatures over them; empty for any other body."""
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=1_000)
    except ValueError:
        return {}
