"""The worker: it claims jobs, runs the engine and does the maintenance."""
