"""Statistics of ended runs, added up by the worker, so that no screen reads the runs themselves."""
