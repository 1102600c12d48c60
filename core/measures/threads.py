"""One thread for small linear algebra.

OpenBLAS splits a 400 x 400 factorisation over all cores and then waits for the slowest by spinning: with a training on
the same cores a fit of 0.5 s took 12 s. scikit-learn's own controller is used, as threadpoolctl is its dependency.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS runs on the calling thread alone inside the block; put back afterwards."""
    from sklearn.utils.parallel import _get_threadpool_controller  # noqa: PLC0415 a second to import

    with _get_threadpool_controller().limit(limits=1, user_api="blas"):
        yield
