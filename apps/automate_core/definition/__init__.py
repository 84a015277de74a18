"""Definition of a workflow: its document, file format and validation."""
