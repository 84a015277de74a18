"""What happened: how it is seen by whoever is started by it."""
