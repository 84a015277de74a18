"""What came of runs, added up by the worker as they end, so that no screen has to go through them."""
