"""Runs a plug-in's consumer as a program whose calls are recorded: `python -P consumer.py FOLDER MODULE [ARGUMENT]...`.

It is run by its path and imports nothing of Automate before the consumer does. In FOLDER, `calls.jsonl` gets a line for
each call, `hold` makes a performed step last until that file is deleted, and `fail` makes one step raise an error.

AUTOMATE_CONTRACT_SETTINGS holds Django settings as JSON. Without AUTOMATE_CONTRACT_DATABASE, stand-ins take the place
of `perform_step` and `ConsumerReports`. With it, the steps of that database are claimed and answered as on a site, and
only the call of the connector has a stand-in.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import runpy
import sys
import time
import types
from pathlib import Path
from typing import Any

PERFORMER, CONSUMERS = "automate_pools.performer", "automate_pools.consumers"


class Recorder:
    """What the consumer does, a line for each call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, call: str, **values: Any) -> None:
        """Append one line, which a kill leaves whole."""
        line = json.dumps({"call": call, "pid": os.getpid(), **values}, default=str) + "\n"
        descriptor = os.open(self.folder / "calls.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def hold(self) -> None:
        """Wait while the test holds performed steps."""
        while (self.folder / "hold").exists():
            time.sleep(0.02)

    def fail(self) -> None:
        """Raise an error if the test asks for one."""
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "fail").unlink()
            self.write("failed")
            raise RuntimeError("the database is away")


def stand_ins(recorder: Recorder) -> None:
    """Put stand-ins in the place of the modules that need a site."""

    def perform_step(step_id: Any, token: Any = None, *, performer: Any = None) -> str:
        kinds = [type(step_id).__name__, type(token).__name__]
        recorder.write("perform", step=str(step_id), token=token, performer=performer, kinds=kinds)
        recorder.hold()
        recorder.fail()
        recorder.write("performed", step=str(step_id), token=token)
        return "performed"

    class ConsumerReports:
        def __init__(self, name: str, pools: Any, *, slots: int) -> None:
            self.values = {"name": name, "pools": sorted(pools), "slots": slots}

        def start(self) -> None:
            recorder.write("reports", **self.values)

        def report(self) -> None:
            self.start()

        def stop(self) -> None:
            recorder.write("stops")

    package = importlib.import_module("automate_pools")
    for name, member in ((PERFORMER, perform_step), (CONSUMERS, ConsumerReports)):
        module = types.ModuleType(name)
        setattr(module, member.__name__, member)
        sys.modules[name] = module
        setattr(package, name.rpartition(".")[2], module)


def apply_settings(values: dict[str, Any]) -> None:
    """Change settings, or configure Django with these alone where there is no settings module."""
    from django.conf import settings

    if not os.environ.get("DJANGO_SETTINGS_MODULE"):
        settings.configure(**values)
    for name, value in values.items():
        setattr(settings, name, value)


def use_site(recorder: Recorder, database: str) -> None:
    """Perform steps of that database; a stand-in takes the place of the connector."""
    import django
    from django.db import connections

    django.setup()
    connections.settings["default"]["NAME"] = database
    performer = importlib.import_module(PERFORMER)
    outcomes = importlib.import_module("automate_core.engine.outcomes")

    def perform(call: Any) -> Any:
        step = call.effect.step
        recorder.write("effect", run=call.walk.run.id, path=step.path, attempt=step.attempt, params=call.effect.params)
        recorder.hold()
        return outcomes.EffectOutcome(output=b'{"status": 200}')

    vars(performer)["perform"] = perform


def main(folder: str, module: str, *arguments: str) -> None:
    """Run the module as a program."""
    recorder = Recorder(Path(folder))
    apply_settings(json.loads(os.environ.get("AUTOMATE_CONTRACT_SETTINGS", "{}")))
    if database := os.environ.get("AUTOMATE_CONTRACT_DATABASE"):
        use_site(recorder, database)
    else:
        stand_ins(recorder)
    recorder.write("started")
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
