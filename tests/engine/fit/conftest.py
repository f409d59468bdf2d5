"""A tiny body for every fit test; its module lies beside this file."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tiny_body import tiny_body


@pytest.fixture(scope="session")
def model() -> SimpleNamespace:
    return tiny_body()
