"""The builder: a draft on its canvas, the panel of what is chosen, and everything that panel needs."""
