"""Effects that lose the site's database before they had an effect: they are performed again, as the same attempt.

A restart of PostgreSQL is a fault of the site and not of a step, so it uses up no attempt. While the database is away
nothing could be recorded anyway. A worker that cannot renew its leases meanwhile drops the call (`is_wanted`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections

from automate_core import database

if TYPE_CHECKING:
    from automate_core.engine.effects.call import EffectCall
    from automate_core.engine.outcomes import EffectOutcome

#: For which a thread repeats an effect. An outage lasts minutes at most, or ends the leases; an error that lasts longer
#: is one of this thread alone, such as a server without free connections, and becomes the error of the step.
AWAY_SECONDS = 300.0
PAUSE_SECONDS = 0.25


def is_database_away(error: BaseException | None, *, of_site: bool = False) -> bool:
    """Whether the error, or what caused it, is that a database is away; a secret may be the one not readable.

    With `of_site` it came through Django: a connector's own connection to another database does not count.
    """
    from_django = False
    while error is not None:
        from_django = from_django or isinstance(error, DatabaseError)
        if database.is_away(error):
            return from_django or not of_site
        error = error.__cause__
    return False


def perform_while_away(call: EffectCall, perform: Callable[[EffectCall], EffectOutcome]) -> EffectOutcome:
    """Perform an effect, and again while it lost the database and had no effect. Its time begins again each time."""
    started = time.monotonic()
    while True:
        outcome = perform(call)
        passed = time.monotonic() - started
        if not outcome.lost_database or not call.is_wanted or passed >= AWAY_SECONDS:
            return outcome
        time.sleep(PAUSE_SECONDS)
        call.effect.postponed = passed + PAUSE_SECONDS


def repeat_while_away[T](act: Callable[[], T], seconds: float) -> T:
    """The result of what has no effect, done again while the database is away, for so many seconds."""
    until = time.monotonic() + seconds
    while True:
        try:
            return act()
        except Exception as error:
            if not is_database_away(error) or time.monotonic() >= until:
                raise
        connections.close_all()
        time.sleep(PAUSE_SECONDS)
