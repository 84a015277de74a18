"""Sample events and runs for expressions and conditions."""
