"""The embedded default: nats-server, and the ClickHouse engine (chDB) behind ClickHouse's own HTTP interface.

One process owns the engine's directory (``python -m marketprism.embedded``); everything else talks HTTP to it, exactly
as to a server. ``inprocess.open_engine`` opens a directory that nobody serves.
"""
