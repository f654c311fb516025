"""MarketPrism: exchange wire traffic → point-in-time-correct microstructure features in SQL.

This package is the shared kernel (wire contract, subjects, settings, ClickHouse client) and the front door (CLI,
supervisor, embedded engines). Services import it; it imports none of them, except the CLI.
"""

__version__ = "0.1.0"
