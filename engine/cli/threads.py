"""How many processor cores the engine takes."""

from __future__ import annotations

import os


def limit_threads() -> None:
    """Half the cores per numeric library, at most eight; call it before any of them is loaded.

    Blender, the video decoder and MediaPipe work at the same time. Threads that wait for one another on a
    busy machine cost far more than they bring: with all cores taken by others, the shape fit of a take was
    fourteen times slower on two threads than on one.
    """
    count = str(max(1, min((os.cpu_count() or 1) // 2, 8)))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
        os.environ.setdefault(name, count)
