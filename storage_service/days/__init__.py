"""Days: archive, rebuild and history install a whole UTC day the same way (``install``); nothing is ever patched."""
