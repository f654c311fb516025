"""A simulated exchange: one seeded market model that speaks Binance spot and USD-M over real WebSockets and HTTP.

    async with Simulator(SimulatorOptions(seed=7)) as exchange:
        environment = exchange.environment                # start the collector with it
        await exchange.history_done()

The model (``market``, ``book``, ``flow``) is pure: the same seed, start and steps give the same events.
"""

from marketprism.simulator.environment import collector_environment
from marketprism.simulator.market import Market
from marketprism.simulator.server import Simulator, SimulatorOptions
from marketprism.simulator.specs import BookSpec, default_specs

__all__ = ["BookSpec", "Market", "Simulator", "SimulatorOptions", "collector_environment", "default_specs"]
