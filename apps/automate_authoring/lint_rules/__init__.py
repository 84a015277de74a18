"""Cautions about valid workflows, which do not prevent publishing."""
