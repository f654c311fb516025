"""OKX: spot, linear, inverse, option."""
