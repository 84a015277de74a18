"""Discord: interactions, signed with Ed25519."""

from __future__ import annotations

import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from automate_core.webhooks.schemes.signing import Delivery, Headers, PublicKeyScheme, Reply, field, is_recent
from automate_plugins import text

KEY_BYTES, SIGNATURE_BYTES = 32, 64

# https://docs.discord.com/developers/interactions/receiving-and-responding
_PING, _COMMAND, _COMPONENT, _AUTOCOMPLETE, _MODAL = 1, 2, 3, 4, 5
_NAMES = {_COMMAND: "command", _COMPONENT: "component", _AUTOCOMPLETE: "autocomplete", _MODAL: "modal"}
_PONG = {"type": 1}
_REPLIES: dict[int, dict[str, Any]] = {
    _COMMAND: {"type": 5},  # a message will follow
    _COMPONENT: {"type": 6},  # the message may be changed later
    _AUTOCOMPLETE: {"type": 8, "data": {"choices": []}},
    _MODAL: {"type": 5},
}


class DiscordScheme(PublicKeyScheme):
    """Discord: Ed25519 over the timestamp and the body. A PING is answered, and interactions are acknowledged.

    The secret is the application's public key. https://docs.discord.com/developers/interactions/overview
    """

    code = "discord"
    name = "Discord"
    shown_by = text("In the Discord developer portal, copy the public key of the application.")
    proof = "`X-Signature-Ed25519`"
    key = text("`id` of the interaction")
    kind = text("`command.NAME`, `autocomplete.NAME`, `component` or `modal`")
    safe_headers = ("x-signature-timestamp",)

    def is_signed(self, key: str, delivery: Delivery) -> bool:
        public, signature = _hex_bytes(key), _hex_bytes(delivery.headers.get("x-signature-ed25519", ""))
        if len(public) != KEY_BYTES or len(signature) != SIGNATURE_BYTES:
            return False
        timestamp = delivery.headers.get("x-signature-timestamp", "").encode("utf-8", "replace")
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, timestamp + delivery.body)
        except (InvalidSignature, ValueError):
            return False
        return True

    def is_timely(self, delivery: Delivery) -> bool:
        return is_recent(delivery.headers.get("x-signature-timestamp", ""))

    def secret_problem(self, secret: str) -> str | None:
        if len(_hex_bytes(secret)) != KEY_BYTES:
            return text("The public key must have %(count)s hexadecimal digits.", count=2 * KEY_BYTES)
        return None

    def delivery_key(self, delivery: Delivery, payload: Any) -> str | None:
        return field(payload, "id") or None

    def event_type(self, headers: Headers, payload: Any) -> str:
        kind = _NAMES.get(_type_of(payload), "")
        name = field(payload, "data.name") if kind in {"command", "autocomplete"} else ""
        return f"{kind}.{name}" if name else kind

    def challenge(self, payload: Any) -> Reply | None:
        return _json_reply(_PONG) if _type_of(payload) == _PING else None

    def reply(self, payload: Any) -> Reply | None:
        """The acknowledgement that Discord expects within three seconds; the run sends the rest to its webhook."""
        answer = _REPLIES.get(_type_of(payload))
        return _json_reply(answer) if answer else None


def _type_of(payload: Any) -> int:
    kind = payload.get("type") if isinstance(payload, dict) else None
    return kind if isinstance(kind, int) and not isinstance(kind, bool) else 0


def _json_reply(document: dict[str, Any]) -> Reply:
    return Reply(json.dumps(document).encode(), "application/json")


def _hex_bytes(digits: str) -> bytes:
    """The bytes of hexadecimal digits; none for anything else."""
    try:
        return bytes.fromhex(digits) if digits.isascii() and digits.isalnum() else b""
    except ValueError:
        return b""
