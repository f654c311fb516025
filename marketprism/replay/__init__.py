"""Recorded exchange traffic, played to a real collector over real WebSockets and HTTP.

recording = describe("binance_spot.jsonl.zst")
async with ReplayServer([recording], speed=None) as server:
    environment = collector_environment(recording, server.url)   # start the collector with it
    await server.finished()
"""

from marketprism.replay.recording import Line, Recording, describe, read_lines
from marketprism.replay.server import ReplayServer, collector_environment

__all__ = ["Line", "Recording", "ReplayServer", "collector_environment", "describe", "read_lines"]
