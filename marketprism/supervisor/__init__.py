"""The processes of the embedded default: start, wait for health, restart, stop in order, and show."""
