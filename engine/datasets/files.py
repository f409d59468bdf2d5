"""Annotation files: read without running anything, and one sentence when something is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import EngineError

FloatArray = npt.NDArray[np.float32]

REMEDY = "get it again; docs/datasets.md says from where"


def existing(path: Path) -> Path:
    """The same path.

    Raises:
        EngineError: there is no such file.
    """
    if not path.is_file():
        raise EngineError(
            f"The file {path} is missing; docs/datasets.md says where each file comes from and where it goes."
        )
    return path


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Within this block, whatever a file of another layout makes the reader raise becomes one sentence.

    Raises:
        EngineError: an entry is missing, or is not of the expected kind or size.
    """
    try:
        yield
    except KeyError as error:
        raise EngineError(f"The file {path} lacks the entry {error}; {REMEDY}.") from error
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise EngineError(f"The file {path} is not in the published format ({error}); {REMEDY}.") from error


def read_json(path: Path, kind: type = dict) -> Any:
    """What a JSON file holds: a dictionary, or a list where ``kind`` says so, and not an empty one.

    Raises:
        EngineError: the file is missing, damaged, empty or holds something else.
    """
    try:
        content = json.loads(existing(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise EngineError(f"The file {path} is damaged ({error}); {REMEDY}.") from error
    if not content:
        raise EngineError(f"The file {path} is empty; {REMEDY}.")
    if not isinstance(content, kind):
        raise EngineError(
            f"The file {path} is not in the published format ({type(content).__name__} instead of "
            f"{kind.__name__}); {REMEDY}."
        )
    return content


def numbers(value: Any, what: str, *shape: int) -> FloatArray:
    """A float32 array of that shape from (nested) lists of as many numbers, however they are nested.

    Raises:
        ValueError: they are not numbers, not finite, or not as many.
    """
    array = np.asarray(value, np.float32).reshape(-1)
    count = int(np.prod(shape))
    if array.size != count:
        raise ValueError(f"{what} has {array.size} numbers instead of {count}")
    if not np.isfinite(array).all():
        raise ValueError(f"{what} holds values that are not finite numbers")
    return array.reshape(shape)


def points(value: Any, what: str, count: int, width: int) -> FloatArray:
    """(count, width) from a list of points, of which further columns (confidences) are left out.

    Raises:
        ValueError: there are not as many points, or they have fewer columns.
    """
    array = np.asarray(value, np.float32)
    if array.ndim != 2 or len(array) != count or array.shape[1] < width:
        raise ValueError(f"{what} has the shape {array.shape} instead of {(count, width)}")
    return numbers(array[:, :width], what, count, width)


def no_samples(path: Path) -> EngineError:
    """For a file that can be read but has nothing to train on."""
    return EngineError(f"The file {path} holds no usable sample for this split; {REMEDY}.")


def without(keys: Sequence[str], path: Path, what: str) -> EngineError:
    """For samples that another file says nothing about; names the first of them."""
    return EngineError(
        f"The file {path} lacks {what} for {len(keys)} samples, {keys[0]} first; use files of one release, "
        "as docs/datasets.md lists them."
    )
