"""What authors write in a workflow: conditions and `{{ }}`."""
