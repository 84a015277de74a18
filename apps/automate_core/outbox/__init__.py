"""Events and jobs in the database: how they come in, how they are claimed, how a run ends."""
