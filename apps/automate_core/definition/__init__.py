"""What a workflow is: its document, its file format and its faults."""
