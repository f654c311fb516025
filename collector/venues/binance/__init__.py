"""Binance: spot and USD-M (linear)."""
