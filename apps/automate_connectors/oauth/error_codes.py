"""Error codes of authorization servers: what happened, and what to do about it.

The codes are those of RFC 6749 (sections 4.1.2.1 and 5.2) and a few that many providers add. Rows of the catalogue say
which of them a provider's own codes stand for. An error shows the provider's code and never its text, unless the code
is unknown.
"""

from __future__ import annotations

from automate_plugins import text
from automate_plugins.texts import joined

#: Codes of failures that pass: the grant is kept and the request repeated later.
TRANSIENT_CODES = frozenset({"temporarily_unavailable", "server_error", "slow_down"})

_ADVICE = {
    "invalid_grant": text(
        "The sign-in has expired or was revoked, for example by a new password. Reconnect the connection."
    ),
    "invalid_client": text(
        "The provider does not know the client ID, or the secret, key or certificate is wrong or has expired. Check"
        " them in the connection, then reconnect."
    ),
    "unauthorized_client": text(
        "The application may not sign in this way. Allow it in the application's settings at the provider, then"
        " reconnect."
    ),
    "unsupported_grant_type": text("The provider does not offer this kind of sign-in. Choose another one."),
    "unsupported_response_type": text("The provider does not offer this kind of sign-in. Choose another one."),
    "invalid_scope": text(
        "The provider does not grant these scopes. Check the scopes of the connection and of the application, then"
        " reconnect."
    ),
    "access_denied": text(
        "Access was declined, or an administrator of the account has to allow the application first."
    ),
    "invalid_request": text("The provider did not accept the request. Check the settings of the connection."),
    "redirect_uri_mismatch": text(
        "The application does not list the redirect URL of this site. Add it at the provider, then sign in again."
    ),
    "invalid_target": text("The provider does not know the resource that was requested. Check the scopes."),
    "login_required": text("The provider wants you to sign in there first. Start again."),
    "nothing": text("The provider sent no code. Start again."),
}
_CODE_ADVICE = text("The code was already used, or it took too long to come back. Start again.")
_ASSERTION_ADVICE = text(
    "The provider does not accept the signed assertion. Check the key, the issuer, the subject and the clock of this"
    " server."
)
_UNKNOWN_ADVICE = text("Check the settings of the connection and of the application at the provider, then reconnect.")

KNOWN_CODES = frozenset(_ADVICE) | TRANSIENT_CODES

#: What a refusal answers, where the same code means something else.
CODE, ASSERTION = "code", "assertion"


def refusal_message(provider: str, code: str, *, standard: str, description: str = "", of: str = "") -> str:
    """Return what happened and what to do, for the provider's `code` that stands for `standard`.

    `description` is shown only for an unknown code; `of` is what was refused: `CODE`, `ASSERTION` or a renewal.
    """
    rejected = text("%(provider)s rejected the sign-in (%(code)s).", provider=provider, code=code)
    advice = _ADVICE.get(standard)
    if standard == "invalid_grant" and of == CODE:
        advice = _CODE_ADVICE
    elif standard == "invalid_grant" and of == ASSERTION:
        advice = _ASSERTION_ADVICE
    if advice is not None:
        return joined([rejected, advice])
    said = text("The provider says: “%(text)s”.", text=description.rstrip(".")) if description else ""
    return joined([rejected, said, _UNKNOWN_ADVICE])


def unavailable_message(provider: str, code: str) -> str:
    """Return the message for a failure that passes."""
    return text(
        "%(provider)s is temporarily unavailable (%(reason)s). The sign-in is kept. Try again later.",
        provider=provider,
        reason=code,
    )
