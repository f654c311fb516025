"""Deribit: spot, linear, inverse, option."""
