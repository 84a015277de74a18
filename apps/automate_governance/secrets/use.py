"""Who may put a secret into a connection or an endpoint, which is where it can be sent somewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from automate_governance.models import StoredSecret
from automate_governance.permissions import User, permitted


def find_forbidden_references(user: User, references: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    """(field, reason) for each reference, listed by field, that `user` may not bind.

    A stored secret takes `use`. The secrets of the other backends have no owner: they take `use` on any secret.
    """
    for field, listed in references.items():
        for reference in listed:
            backend, _, key = reference.partition(":")
            if backend == "database":
                usable = permitted(user, "use", StoredSecret.objects.filter(name=key)).exists()
            else:
                usable = user.has_perm("automate_governance.use_any_storedsecret")
            if not usable:
                yield field, f"There is no secret {reference} that you may use."
