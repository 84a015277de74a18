"""Events and jobs in the database: stored, claimed, and made again when a run ends."""
