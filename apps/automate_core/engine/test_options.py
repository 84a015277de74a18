"""TestOptions: what a test run may do, and what stands in for what it may not."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

type Mode = Literal["preview", "dry", "real"]


NOT_WAITED = {"outcome": "not_waited"}  #: the output of a wait for a time in a test that does not wait

type TestedPart = Literal["step", "to", "whole"]


class TestOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`mode` says what may happen: nothing (`preview`), what can be rolled back (`dry`), or all (`real`).

    `step` is the one that is tested alone or that the run goes up to. `content` has a digest of each step that was
    tested, `sample` says in words what it was tested on. `given` are names that expressions see beside the event;
    `mocks` are outputs that steps give in place of running, `stubs` those of steps that `mode` does not run.
    `decisions` are the outcomes of approvals that the tester chose. `assumed` are the keys of the stubs that are made
    up: no run and no person gave them.
    """

    mode: Mode
    scope: TestedPart
    step: str = ""
    content: dict[str, str] = msgspec.field(default_factory=dict)
    sample: str = ""
    given: dict[str, Any] = msgspec.field(default_factory=dict)
    mocks: dict[str, Any] = msgspec.field(default_factory=dict)
    stubs: dict[str, Any] = msgspec.field(default_factory=dict, name="stand_ins")
    decisions: dict[str, dict[str, Any]] = msgspec.field(default_factory=dict)
    assumed: list[str] = msgspec.field(default_factory=list)


msgspec.json.Decoder(TestOptions)  # before threads do so: see the end of definition.document
