"""The database's clock, put forward."""

from __future__ import annotations

from django.db import connection


def shift_clock(seconds):
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('automate.clock_shift', %s, false)", [f"{seconds} seconds"])
