"""How Binance's depth diffs chain to a snapshot and to each other ("How to manage a local order book correctly").

Both rules drop what the book already holds, so overlapping connections do no harm.
"""

from __future__ import annotations

from collector.venue import BookUpdate, Verdict


def spot_rule(last_id: int, update: BookUpdate, fresh: bool) -> Verdict:
    """Ids are consecutive: the update must contain ``last_id + 1``; also right after a snapshot."""
    if update.last_id <= last_id:
        return Verdict.SKIP
    return Verdict.APPLY if update.first_id <= last_id + 1 else Verdict.GAP


def futures_rule(last_id: int, update: BookUpdate, fresh: bool) -> Verdict:
    """Ids are not consecutive: only ``pu`` proves the chain.

    After a snapshot the documentation wants U ≤ lastUpdateId ≤ u. We also take pu ≤ lastUpdateId < U: everything up to
    pu is in the snapshot and quantities are absolute, so nothing is missing, and a fetch is saved. An update that ends
    at lastUpdateId is in the snapshot and left out.
    """
    if update.last_id <= last_id:
        return Verdict.SKIP
    if fresh:
        joins = update.first_id <= last_id or update.previous_id <= last_id
        return Verdict.APPLY if joins else Verdict.GAP
    return Verdict.APPLY if update.previous_id == last_id else Verdict.GAP
