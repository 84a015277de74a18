"""People: their names, their sign-ins, and where an action came from."""
