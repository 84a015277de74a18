"""Error codes of authorization servers: what happened, and what to do about it.

The codes are those of RFC 6749 (sections 4.1.2.1 and 5.2) and a few that many providers add. Rows of the catalogue say
which of them a provider's own codes stand for. An error shows the provider's code and never its text, unless the code
is unknown.
"""

from __future__ import annotations

from typing import Literal

from automate_plugins import text
from automate_plugins.texts import joined

#: Codes of failures that pass: the grant is kept and the request repeated later.
TRANSIENT_CODES = frozenset({"temporarily_unavailable", "server_error", "slow_down"})

_EXPIRED = text("The sign-in has expired or was revoked, for example by a new password.")
_CODE_EXPIRED = text("The code was already used, or it took too long to come back.")
_ASSERTION_REJECTED = text(
    "The provider does not accept the signed assertion. Check the key, the issuer, the subject and the clock of this"
    " server."
)
_UNKNOWN = text("Check the settings of the connection and of the application at the provider.")
#: What happened, and what to check.
_ADVICE = {
    "invalid_client": text(
        "The provider does not know the client ID, or the secret, key or certificate is wrong or has expired. Check"
        " them in the connection."
    ),
    "unauthorized_client": text(
        "The application may not sign in this way. Allow it in the application's settings at the provider."
    ),
    "unsupported_grant_type": text("The provider does not offer this kind of sign-in. Choose another one."),
    "unsupported_response_type": text("The provider does not offer this kind of sign-in. Choose another one."),
    "invalid_scope": text(
        "The provider does not grant these scopes. Check the scopes of the connection and of the application."
    ),
    "access_denied": text("Access was declined, or an administrator of the account has to allow the application."),
    "invalid_request": text("The provider did not accept the request. Check the settings of the connection."),
    "redirect_uri_mismatch": text(
        "The application does not list the redirect URL of this site. Add it at the provider."
    ),
    "invalid_target": text("The provider does not know the resource that was requested. Check the scopes."),
    "login_required": text("The provider requires you to sign in there first."),
    "nothing": text("The provider sent no code."),
}
_AT_LAST = {
    "code": text("Then sign in again."),
    "person": text("Then reconnect the connection."),
    "application": text("Then test the connection."),
}
_AT_ONCE = {
    "code": text("Sign in again."),
    "person": text("Reconnect the connection."),
    "application": text("Test the connection."),
}

KNOWN_CODES = frozenset(_ADVICE) | TRANSIENT_CODES | {"invalid_grant"}


def refusal_message(
    provider: str,
    code: str,
    *,
    standard: str,
    by: Literal["code", "person", "application"],
    description: str = "",
    signed: bool = False,
) -> str:
    """Return what happened and what to do, for the provider's `code` that stands for `standard`.

    `by` is who was rejected: a person's code, a person's earlier sign-in, or the application itself, with a `signed`
    assertion or without one. `description` is shown only for an unknown code.
    """
    rejected = text("%(provider)s rejected the sign-in (%(code)s).", provider=provider, code=code)
    if standard == "invalid_grant" and signed:
        return joined([rejected, _ASSERTION_REJECTED, _AT_LAST[by]])
    if standard == "invalid_grant":
        return joined([rejected, _CODE_EXPIRED if by == "code" else _EXPIRED, _AT_ONCE[by]])
    if standard in {"login_required", "nothing"}:
        return joined([rejected, _ADVICE[standard], _AT_ONCE[by]])
    if standard in _ADVICE:
        return joined([rejected, _ADVICE[standard], _AT_LAST[by]])
    said = text("The provider says: “%(text)s”.", text=description.rstrip(".")) if description else ""
    return joined([rejected, said, _UNKNOWN, _AT_LAST[by]])


def unavailable_message(provider: str, code: str) -> str:
    """Return the message for a failure that passes."""
    return text(
        "%(provider)s is temporarily unavailable (%(reason)s). The sign-in is kept. Try again later.",
        provider=provider,
        reason=code,
    )
