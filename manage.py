#!/usr/bin/env python
"""Django's command line for the site."""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "automate_site.settings")
    sys.path.insert(0, str(Path(__file__).parent / "apps"))
    from automate_site.command_line import main

    sys.exit(main(sys.argv))
