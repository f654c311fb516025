"""DBSCAN, from scikit-learn: the one place that needs the optional extra ``jobs``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from marketprism.errors import JobError


def dbscan(points: npt.NDArray[np.float64], eps: float, min_samples: int) -> npt.NDArray[np.int64]:
    """Cluster number of each of the (n, d) points, -1 for noise; [] for none.

    ``eps`` is the Euclidean radius and ``min_samples`` counts the point itself, as scikit-learn has it. Raises JobError
    when scikit-learn is not installed.
    """
    if not len(points):
        return np.empty(0, dtype=np.int64)
    try:
        from sklearn.cluster import DBSCAN  # an optional extra
    except ImportError as error:
        raise JobError("clusters need scikit-learn; install it with `pip install 'marketprism[jobs]'`") from error
    labels = DBSCAN(eps=eps, min_samples=min_samples).fit(points).labels_
    return np.asarray(labels, dtype=np.int64)
