"""The long fault tests: kills, restarts, cuts and soaks for as long as one likes (`make faults`)."""
