"""Events: the scope that expressions see, matching, search terms, and access to them."""
