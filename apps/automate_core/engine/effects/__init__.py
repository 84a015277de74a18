"""How a step reaches outside: calls in the threads of a pool, in a transaction, or not at all in a dry run."""
