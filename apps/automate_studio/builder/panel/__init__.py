"""The panel of a step: its fields, conditions and problems."""
