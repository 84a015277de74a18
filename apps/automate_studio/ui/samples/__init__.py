"""Sample events and runs that expressions and conditions are shown on."""
