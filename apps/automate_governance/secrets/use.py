"""The rule for binding a secret to a connection or an endpoint, from where it can be sent elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from automate_governance.models import StoredSecret
from automate_governance.permissions import User, holds_for_any, permitted, scope_refusal
from automate_plugins import text


def find_forbidden_references(user: User, references: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield (field, reason) for each reference, listed by field, that `user` may not bind.

    A stored secret requires `use`; a secret of another backend has no owner and requires `use` on any secret.
    """
    for field, listed in references.items():
        for reference in listed:
            backend, _, key = reference.partition(":")
            if backend == "database":
                usable = permitted(user, "use", StoredSecret.objects.filter(name=key)).exists()
            else:
                usable = holds_for_any(user, "use", StoredSecret)
            if not usable:
                yield (
                    field,
                    scope_refusal("storedsecret:use", reference)
                    or text("Secret %(reference)s does not exist, or you may not use it.", reference=reference),
                )
