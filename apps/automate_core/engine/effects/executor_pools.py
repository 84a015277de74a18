"""Pools: which of them are declared, and which one performs a step."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psycopg

from automate_connectors.adapters.base import ConnectorError
from automate_core import database
from automate_core.conf import setting
from automate_core.engine.executor import Pool, executors
from automate_core.engine.program import ActionNode, Program
from automate_plugins import text
from automate_plugins.registry import BUILT_IN, PluginNotFoundError

DEFAULT_POOL = "default"
RESEND_SECONDS = 30.0
NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
FRESH_SECONDS = 5.0  #: how long a worker trusts what it read of connections
LIVE_SECONDS = 45.0  #: after its last report, a consumer counts as gone

_CONNECTIONS = "SELECT slug, runs_on FROM automate_connectors_connection WHERE runs_on <> ''"

_CONSUMERS = """
SELECT pool, count(*) AS consumers, sum(slots) AS slots, array_agg(DISTINCT version ORDER BY version) AS versions
FROM automate_core_poolconsumer
WHERE seen_at > automate_now() - %(seconds)s * interval '1 second' GROUP BY pool
"""


class PoolError(ValueError):
    """An invalid declaration of a pool; the message names the pool and what to correct."""


def declared_pools() -> dict[str, Pool]:
    """The pools by name, `default` among them. Raises PoolError."""
    declared: Mapping[str, Any] = setting("AUTOMATE_POOLS")
    if not isinstance(declared, Mapping):
        raise PoolError("AUTOMATE_POOLS must be a dictionary of pools by name.")
    return {name: _pool(name, given) for name, given in {DEFAULT_POOL: {}, **declared}.items()}


def declared_pool_names() -> list[str]:
    """The names of the pools that people can choose: none where the settings declare none, or declare one wrongly."""
    if not setting("AUTOMATE_POOLS"):
        return []
    try:
        return sorted(declared_pools())
    except PoolError:
        return []


def code_version() -> str:
    """The version of the code of this process: AUTOMATE_CODE_VERSION, else that of the package."""
    if given := str(setting("AUTOMATE_CODE_VERSION")):
        return given[:100]
    try:
        return version(BUILT_IN)
    except PackageNotFoundError:
        return ""


def live_consumers() -> dict[str, Any]:
    """(consumers, slots, versions) of each pool that has a live consumer. Raises psycopg.Error."""
    return {row.pool: row for row in database.run(None, _CONSUMERS, {"seconds": LIVE_SECONDS})}


class PoolRouter:
    """Chooses the pool of each step: that of the step, its connection, its workflow, else the default one.

    `read_connections` is called by its worker before it walks. Not thread-safe.
    """

    def __init__(self) -> None:
        self._pools = declared_pools()
        self.has_remote = any(not pool.is_local for pool in self._pools.values())
        self._declares_any = bool(setting("AUTOMATE_POOLS"))
        self._of_connections: dict[str, str] = {}
        self._fresh_until = float("-inf")

    def read_connections(self, connection: psycopg.Connection[Any] | None) -> None:
        """Read the pools of connections, at most every few seconds; nothing where no pool is declared."""
        if self._declares_any and time.monotonic() >= self._fresh_until:
            self._of_connections = {row.slug: row.runs_on for row in database.run(connection, _CONNECTIONS, {})}
            self._fresh_until = time.monotonic() + FRESH_SECONDS

    def remote_pool(self, node: ActionNode, program: Program) -> str | None:
        """The pool that a step is handed out to; None for the threads of this worker. Raises ConnectorError."""
        name = node.runs_on or self._of_connections.get(node.connection) or program.runs_on or DEFAULT_POOL
        if name == DEFAULT_POOL and not self.has_remote:
            return None
        if node.transactional or program.is_simulated:
            return None
        pool = self._pools.get(name)
        if pool is None:
            raise ConnectorError(
                text("There is no pool %(name)s. Declare it in AUTOMATE_POOLS, or choose another.", name=name),
                code="pool_not_found",
            )
        return None if pool.is_local else name


def _pool(name: str, given: Any) -> Pool:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise PoolError(f"AUTOMATE_POOLS: {name!r} is no name of a pool. Use lowercase letters, digits, - and _.")
    if not isinstance(given, Mapping):
        raise PoolError(f"AUTOMATE_POOLS[{name!r}] must be a dictionary.")
    options = dict(given)
    code, resend = options.pop("executor", "threads"), options.pop("resend_seconds", RESEND_SECONDS)
    try:
        executor = executors.get(code)
    except PluginNotFoundError as error:
        raise PoolError(f"AUTOMATE_POOLS[{name!r}]: {error}") from error
    if isinstance(resend, bool) or not isinstance(resend, int | float) or resend <= 0:
        raise PoolError(f"AUTOMATE_POOLS[{name!r}]['resend_seconds'] must be a number above 0.")
    try:
        executor.validate_options(options)
    except ValueError as error:
        raise PoolError(f"AUTOMATE_POOLS[{name!r}]: {error}") from error
    return Pool(name, executor, options, float(resend))
