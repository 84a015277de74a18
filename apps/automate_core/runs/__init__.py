"""What people and the system do to runs: cancel, re-run, replay, limit, wait."""
