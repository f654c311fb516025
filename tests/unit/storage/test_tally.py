"""Many values at once are told as one after the other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram, generate_latest

from storage_service.tally import Tally

BOUNDS = (10, 20.5, 60)
VALUES = st.sampled_from([0.0, 10.0, 10.5, 20.5, 59.5, 60.0, 61.0, 1e9])  # sums are exact in any order


def told(registry: CollectorRegistry) -> list[str]:
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if "_created" not in line]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.lists(VALUES, min_size=1)), min_size=1))
def test_as_a_histogram_of_the_library(parts: list[tuple[str, list[float]]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    tally = Tally("ubt_seconds", "of a bucket", ["exchange"], BOUNDS, ours)
    histogram = Histogram("ubt_seconds", "of a bucket", ["exchange"], buckets=BOUNDS, registry=theirs)
    for exchange, values in parts:
        tally.observe((exchange,), np.array(values))
        for value in values:
            histogram.labels(exchange).observe(value)
    assert told(ours) == told(theirs)
