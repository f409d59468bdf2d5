"""A small body of 40 vertices and everything the loaders ask for, made from a seed."""

from __future__ import annotations

import numpy as np
import pytest

from engine.datasets.bodies import Bodies
from tests.engine.datasets import tiny


@pytest.fixture(scope="session")
def bodies() -> Bodies:
    return tiny.bodies()


@pytest.fixture()
def random() -> np.random.Generator:
    return np.random.default_rng(7)
