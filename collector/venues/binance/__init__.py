"""Binance: spot, USD-M (linear), COIN-M (inverse), European options."""
