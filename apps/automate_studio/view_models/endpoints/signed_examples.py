"""Deliveries to try an endpoint with, as commands for a shell: signed as the sender would, by curl and openssl."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus, urlsplit, urlunsplit

from automate_core.webhooks.schemes.generic import BearerScheme, ConfiguredScheme, HmacScheme
from automate_core.webhooks.schemes.signing import FORM, SignatureScheme
from automate_core.webhooks.schemes.twilio import TwilioScheme

_VARIABLES = ("ID", "TIME", "SIGNATURE", "SECRET")  # of the shell; `@ID@` stands in a body or header for its value
_SCHEMES = SignatureScheme.__module__.rpartition(".")[0]  # those of others are not known here
_ID = "@ID@"  # another at each run
_HEX, _BASE64 = "hex", "base64"


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """Headers are (name, value). `signature` is a command, in which variables are written as the shell does."""

    body: str
    signature: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    content_type: str = "application/json"


def curl_command(scheme: SignatureScheme, url: str, *, event_type: str = "", secret: str = "") -> str:
    """Lines for a POSIX shell that deliver an example to `url`; without `secret` it is to be filled in there.

    Each run is a delivery of its own. Empty for a scheme that a shell cannot sign with.
    """
    make = _RECIPES.get(scheme.code) if scheme.can_sign else None
    if make is None or not type(scheme).__module__.startswith(_SCHEMES):
        return ""
    recipe = make(scheme, url, event_type)
    command = [f"curl {shlex.quote(url)}", f"-H {shlex.quote(f'Content-Type: {recipe.content_type}')}"]
    command += [f"-H {_in_shell(f'{name}: {value}')}" for name, value in recipe.headers]
    command.append('--data "$BODY"')
    body = _quoted(recipe.body)
    used = " ".join([recipe.signature, body, *command])
    lines = [f"SECRET={shlex.quote(secret or 'put the secret here')}"] if scheme.has_secret else []
    lines += ['ID="test-$(date +%s)"'] if "$ID" in used else []
    lines += ["TIME=$(date +%s)"] if "$TIME" in used else []
    lines.append(f"BODY={body}")
    lines += [f'SIGNATURE="$({recipe.signature})"'] if recipe.signature else []
    return "\n".join([*lines, " \\\n  ".join(command)])


def _quoted(text: str) -> str:
    return '"$ID"'.join(shlex.quote(part) if part else "" for part in text.split(_ID))


def _in_shell(text: str) -> str:
    """The text in double quotes; only variables between two @ are special."""
    for letter in '\\"`$':
        text = text.replace(letter, f"\\{letter}")
    for name in _VARIABLES:
        text = text.replace(f"@{name}@", f"${name}")
    return f'"{text}"'


def _hmac(signed: str, *, written: str = _HEX, algorithm: str = "sha256", key: str = '-hmac "$SECRET"') -> str:
    command = f"printf %s {signed} | openssl dgst -{algorithm} {key}"
    return f"{command} -binary | openssl base64 -A" if written == _BASE64 else f"{command} | sed 's/^.* //'"


def _document(**fields: Any) -> str:
    return json.dumps({**fields, "message": "A test"}, ensure_ascii=True)


# --- the senders ------------------------------------------------------------------------------------------------------


def _github(scheme: SignatureScheme, url: str, kind: str) -> _Recipe:
    named = [("X-GitHub-Event", kind or "push"), ("X-GitHub-Delivery", _ID)]
    return _Recipe(
        body=_document(),
        signature=_hmac('"$BODY"'),
        headers=[*named, ("X-Hub-Signature-256", "sha256=@SIGNATURE@")],
    )


def _gitlab(scheme: SignatureScheme, url: str, kind: str) -> _Recipe:
    headers = [("Idempotency-Key", _ID), ("X-Gitlab-Token", "@SECRET@")]
    return _Recipe(body=_document(object_kind=kind or "push"), headers=headers)


def _shopify(scheme: SignatureScheme, url: str, kind: str) -> _Recipe:
    named = [("X-Shopify-Topic", kind or "orders/create"), ("X-Shopify-Webhook-Id", _ID)]
    signature = _hmac('"$BODY"', written=_BASE64)
    return _Recipe(body=_document(), signature=signature, headers=[*named, ("X-Shopify-Hmac-Sha256", "@SIGNATURE@")])


def _slack(scheme: SignatureScheme, url: str, kind: str) -> _Recipe:
    body = _document(type="event_callback", event_id=_ID, event={"type": kind or "message"})
    headers = [("X-Slack-Request-Timestamp", "@TIME@"), ("X-Slack-Signature", "v0=@SIGNATURE@")]
    return _Recipe(body=body, signature=_hmac('"v0:$TIME:$BODY"'), headers=headers)


def _standard(scheme: SignatureScheme, url: str, kind: str) -> _Recipe:
    key = "$(printf %s \"${SECRET#whsec_}\" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \\n')"
    signature = _hmac('"$ID.$TIME.$BODY"', written=_BASE64, key=f'-mac HMAC -macopt "hexkey:{key}"')
    headers = [("Webhook-Id", _ID), ("Webhook-Timestamp", "@TIME@"), ("Webhook-Signature", "v1,@SIGNATURE@")]
    return _Recipe(body=_document(type=kind or "test"), signature=signature, headers=headers)


def _stripe(scheme: SignatureScheme, url: str, kind: str) -> _Recipe:
    body = _document(id=f"evt_{_ID}", object="event", type=kind or "invoice.paid", data={"object": {}})
    headers = [("Stripe-Signature", "t=@TIME@,v1=@SIGNATURE@")]
    return _Recipe(body=body, signature=_hmac('"$TIME.$BODY"'), headers=headers)


def _typeform(scheme: SignatureScheme, url: str, kind: str) -> _Recipe:
    body = _document(event_id=_ID, event_type=kind or "form_response", form_response={"answers": []})
    headers = [("Typeform-Signature", "sha256=@SIGNATURE@")]
    return _Recipe(body=body, signature=_hmac('"$BODY"', written=_BASE64), headers=headers)


def _twilio(scheme: SignatureScheme, url: str, kind: str) -> _Recipe:
    assert isinstance(scheme, TwilioScheme)  # noqa: S101 - by its code
    about, _, status = kind.partition(".")
    fields = {"CallSid": "CA1", "CallStatus": status} if about == "call" else {"MessageStatus": status or "delivered"}
    public = urlsplit(scheme.public_url or url)
    signed = urlunsplit(urlsplit(url)._replace(scheme=public.scheme, netloc=public.netloc))
    signed += "".join(name + fields[name] for name in sorted(fields))
    return _Recipe(
        body="&".join(f"{name}={quote_plus(value)}" for name, value in fields.items()),
        signature=_hmac(shlex.quote(signed), written=_BASE64, algorithm="sha1"),
        headers=[("I-Twilio-Idempotency-Token", _ID), ("X-Twilio-Signature", "@SIGNATURE@")],
        content_type=FORM,
    )


def _configured(scheme: SignatureScheme, url: str, kind: str) -> _Recipe:
    """The recipe of a sender that the endpoint itself describes."""
    assert isinstance(scheme, ConfiguredScheme)  # noqa: S101 - by its code
    rules = scheme.rules
    body: dict[str, Any] = {}
    for path, value in ((rules.event_field, kind or "test"), (rules.delivery_field, _ID)):
        if path:
            _put(body, path.split("."), value)
    named = {rules.event_header: kind or "test", rules.delivery_header: _ID}
    headers = [(name, value) for name, value in named.items() if name]
    signature = ""
    if isinstance(scheme, HmacScheme):
        hmac = scheme.rules
        signature = _hmac('"$BODY"', written=hmac.encoding, algorithm=hmac.algorithm)
        headers.append((hmac.header, f"{hmac.prefix}@SIGNATURE@"))
    elif isinstance(scheme, BearerScheme):
        headers.append((scheme.rules.header, f"{scheme.rules.prefix}@SECRET@"))
    elif scheme.has_secret:
        signature = 'printf %s "$SECRET" | openssl base64 -A'
        headers.append(("Authorization", "Basic @SIGNATURE@"))
    return _Recipe(body=_document(**body), signature=signature, headers=headers)


def _put(document: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        inner = document.setdefault(name, {})
        document = inner if isinstance(inner, dict) else document
    document[path[-1]] = value


_RECIPES: dict[str, Callable[[Any, str, str], _Recipe]] = {
    "github": _github,
    "gitlab": _gitlab,
    "shopify": _shopify,
    "slack": _slack,
    "standard": _standard,
    "stripe": _stripe,
    "twilio": _twilio,
    "typeform": _typeform,
    "hmac": _configured,
    "bearer": _configured,
    "basic": _configured,
    "unsigned": _configured,
}
