"""Bybit: spot, linear. Written against the seam alone."""
