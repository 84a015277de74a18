"""Types that msgspec reads documents into are resolved when their module is imported, by one thread.

msgspec resolves a type at its first use, and the process crashes when two threads use it for the first time at once.
"""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

#: Made by our own code alone, never read from a document.
NOT_READ = {f"automate_telemetry.metrics.readings.{name}" for name in ("Readings", "Spend")}
UNRESOLVED = """
import importlib, sys
from pathlib import Path
import django
resolved = set()
def watch(frame, event, argument):
    if event == "call" and frame.f_code.co_name == "get_class_annotations":
        resolved.add(frame.f_locals["obj"])
sys.setprofile(watch)
django.setup()
for path in sorted(Path("apps").rglob("*.py")):
    if "msgspec.Struct" in path.read_text():
        importlib.import_module(".".join(path.with_suffix("").parts[1:]))
sys.setprofile(None)
import msgspec
def below(kind):
    for each in kind.__subclasses__():
        yield each
        yield from below(each)
ours = {each for each in below(msgspec.Struct) if each.__module__.startswith("automate_") and not each.__subclasses__()}
assert len(ours) > 20
print(*sorted(f"{each.__module__}.{each.__qualname__}" for each in ours - resolved), sep="\\n", end="")
"""


def test_each_type_is_resolved_before_there_are_threads(environment):
    done = subprocess.run(
        [sys.executable, "-c", UNRESOLVED], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == NOT_READ
