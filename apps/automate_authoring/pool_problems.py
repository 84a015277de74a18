"""Pools that a workflow names and that cannot perform its steps: not declared, or without a live consumer."""

from __future__ import annotations

from collections.abc import Iterator

from automate_connectors.models import Connection
from automate_core.conf import setting
from automate_core.definition.document import ActionStep, Definition, Problem
from automate_core.definition.slots import walk
from automate_core.engine.effects.executor_pools import PoolError, declared_pools, live_consumers
from automate_plugins import text


def find_pool_problems(definition: Definition) -> Iterator[Problem]:
    """A problem for each place that names such a pool; two queries at most, none where no pool is declared or named."""
    named = dict(_named_pools(definition))
    if not named:
        return
    try:
        pools = declared_pools()
    except PoolError as error:
        yield Problem(next(iter(named)), str(error))
        return
    served = live_consumers() if any(name in pools and not pools[name].is_local for name in named.values()) else {}
    for place, name in named.items():
        pool = pools.get(name)
        if pool is None:
            yield Problem(place, text("No pool is called %(name)s. The site declares: %(pools)s.",
                                      name=name, pools=", ".join(sorted(pools))))  # fmt: skip
        elif not pool.is_local and pool.executor.reports_consumers and name not in served:
            yield Problem(place, text("The pool %(name)s has no live consumer. Start one, then publish.", name=name))


def _named_pools(definition: Definition) -> Iterator[tuple[str, str]]:
    """(place, pool) of the workflow, its steps, and the connections of steps that name none."""
    if definition.runs_on:
        yield "runs_on", definition.runs_on
    actions = [(place, step) for place, step in walk(definition.steps) if isinstance(step, ActionStep)]
    yield from ((f"{place}.runs_on", step.runs_on) for place, step in actions if step.runs_on)
    slugs = {step.connection for _, step in actions if step.connection and not step.runs_on}
    if not slugs or not setting("AUTOMATE_POOLS"):
        return
    of_connections = dict(Connection.objects.filter(slug__in=slugs).exclude(runs_on="").values_list("slug", "runs_on"))
    for place, step in actions:
        if not step.runs_on and step.connection in of_connections:
            yield f"{place}.connection", of_connections[step.connection]
