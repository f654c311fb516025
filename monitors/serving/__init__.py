"""Degrade and recover: which symbols are served bucket features, and which fall back to minute features."""
