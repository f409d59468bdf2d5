"""Bodies shared by the tests of this room."""

from __future__ import annotations

import numpy as np
import pytest

from engine.body.model import BodyModel


@pytest.fixture(scope="session")
def open_body() -> BodyModel:
    return BodyModel.load("open_body")


@pytest.fixture()
def random() -> np.random.Generator:
    return np.random.default_rng(20)
