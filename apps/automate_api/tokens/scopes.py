"""The scopes of tokens: a kind and a verb, in the words of `automate_governance.permissions.can`.

`workflow:run` is the verb `run` on the model `workflow`; verbs on the site have the kind `site`. Scopes of what no
permission covers, such as decisions about the person's approvals, are registered by `EXTRA_SCOPES`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from django.apps import apps

from automate_governance.governed import Governed
from automate_governance.models import SitePermission
from automate_plugins import text
from automate_plugins.errors import AutomateError

#: Scopes without a permission on objects: whoever has none of them in a token cannot do it with that token.
EXTRA_SCOPES = (
    "approval:view",
    "approval:decide",
    "approval:delegate",
    "event:send",
    "llmusage:view",
    "token:view",
    "token:add",
    "token:rotate",
    "token:revoke",
)


class UnknownScopeError(AutomateError, ValueError, code="unknown_scope"):
    """A scope that does not exist; the message names it and lists those of its kind."""


@cache
def all_scopes() -> tuple[str, ...]:
    """Every scope of this site, sorted."""
    found = set(EXTRA_SCOPES)
    for model in apps.get_models():
        if issubclass(model, Governed):
            kind = str(model._meta.model_name)
            found |= {f"{kind}:{_verb(codename, kind)}" for codename, _ in model._meta.permissions}
    found |= {f"site:{_verb(codename, 'site')}" for codename, _ in SitePermission._meta.permissions}
    return tuple(sorted(found))


def _verb(codename: str, kind: str) -> str:
    """The verb of a permission: `publish` of `publish_any_workflow` and of `publish_workflow`."""
    return codename.removesuffix(f"_{kind}").removesuffix("_any")


def check_scopes(scopes: Iterable[str]) -> list[str]:
    """The scopes, sorted and each once. Raises UnknownScopeError, also when there is none."""
    wanted = sorted({scope.strip() for scope in scopes if scope.strip()})
    if not wanted:
        raise UnknownScopeError(text("Choose at least one scope, such as workflow:view."))
    for scope in wanted:
        if scope not in all_scopes():
            kind = scope.partition(":")[0]
            known = [each for each in all_scopes() if each.startswith(f"{kind}:")] or all_scopes()
            raise UnknownScopeError(
                text("There is no scope %(scope)s. Available: %(scopes)s.", scope=scope, scopes=", ".join(known))
            )
    return wanted
