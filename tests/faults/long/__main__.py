"""`make faults`: each long fault test in a process of its own, its figures as one JSON line.

python -m tests.faults.long [F6 F9 ...] [--seconds 60] [--events 1000] [--kills 10]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import traceback

from tests.faults.long.ground import commit_before_migrations, ground
from tests.faults.long.scenarios import OF_TWO_VERSIONS, SCENARIOS, Size


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SCENARIOS)}; all unless given")
    parser.add_argument("--seconds", type=float, default=1200, help="how long the faults go on, where time bounds them")
    parser.add_argument("--events", type=int, default=100_000, help="how many deliveries, where their number does")
    parser.add_argument("--kills", type=int, default=500, help="how many kills, in F6")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.names or list(SCENARIOS)
    if unknown := set(names) - set(SCENARIOS):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    if options.here:
        return _run(names[0], Size(options.seconds, options.events, options.kills))
    sizes = [f"--seconds={options.seconds}", f"--events={options.events}", f"--kills={options.kills}"]
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    command = [sys.executable, "-m", "tests.faults.long", "--here", *sizes]
    return max(subprocess.run([*command, name], env=environment, check=False).returncode for name in names)


def _run(name: str, size: Size) -> int:
    scenario, slugs = SCENARIOS[name]
    started = time.monotonic()
    old_commit = commit_before_migrations() if name in OF_TWO_VERSIONS else ""
    if name in OF_TWO_VERSIONS and not old_commit:
        sys.stdout.write(json.dumps({"test": name, "ok": True, "skipped": "there is no history of versions"}) + "\n")
        return 0
    with ground(*slugs, old_commit=old_commit) as on:
        try:
            figures, fault = scenario(on, size), ""
        except AssertionError as error:
            figures, fault = {}, str(error) or traceback.format_exc()
    result = {"test": name, "ok": not fault, "took_s": round(time.monotonic() - started), **figures}
    sys.stdout.write(json.dumps({**result, **({"fault": fault} if fault else {})}) + "\n")
    return int(bool(fault))


if __name__ == "__main__":
    sys.exit(main())
