"""How Deribit's book changes chain: ``prev_change_id`` to ``change_id``, from the snapshot that begins a subscription.

Rule: https://docs.deribit.com (book.{instrument_name}.{interval}). Ids are compared for equality; their order is only
used where two connections overlap, whose 100 ms batches are cut at their own moments.
"""

from __future__ import annotations

from collector.venue import BookUpdate, Verdict


def change_rule(last_id: int, update: BookUpdate, fresh: bool) -> Verdict:
    """A change follows on the one that it names; what begins inside the book and ends after it joins: amounts are
    absolute."""
    if update.previous_id == last_id:
        return Verdict.APPLY
    if update.last_id <= last_id:
        return Verdict.SKIP
    return Verdict.APPLY if update.previous_id < last_id else Verdict.GAP
