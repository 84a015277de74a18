"""Definitions parsed by many threads at once, as in the first moment of a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

_PARSE_AT_ONCE = """
import sys, threading
sys.setswitchinterval(1e-6)
from automate_core.definition.parsing import parse

document = {"name": "A", "slug": "a"}
barrier, names = threading.Barrier(16), []

def run():
    barrier.wait()
    names.append(parse(document).name)

threads = [threading.Thread(target=run) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(names))
"""


@pytest.mark.extended
def test_threads_parse_the_first_definitions_of_a_process_at_once():
    """msgspec crashes the process when two threads use a type for the first time at once."""
    for _each in range(25):
        done = subprocess.run(
            [sys.executable, "-c", _PARSE_AT_ONCE], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )
        assert (done.returncode, done.stdout.strip()) == (0, "16"), done.stderr
