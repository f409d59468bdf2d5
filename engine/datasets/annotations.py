"""Annotations in the format of MS COCO, which most of the published files share.

A dictionary with `images`, each with an `id`, and `annotations`, each with an `id` and an `image_id`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import EngineError
from .files import REMEDY, read_json, reading

Entry = dict[str, Any]


@dataclass(frozen=True)
class Annotations:
    """The images by their id, in the file's order, and what is marked in them."""

    images: dict[int, Entry]
    marks: list[Entry]

    def by_image(self) -> dict[int, list[Entry]]:
        """The annotations of every image, none included."""
        found: dict[int, list[Entry]] = {image: [] for image in self.images}
        for mark in self.marks:
            found[mark["image_id"]].append(mark)
        return found


def read_annotations(path: Path) -> Annotations:
    """Read a file in MS COCO's format.

    Raises:
        EngineError: the file is missing, damaged, or holds no image or no annotation.
    """
    content = read_json(path)
    with reading(path):
        images = {int(image["id"]): image for image in content["images"]}
        marks = list(content["annotations"])
        for mark in marks:
            if mark["image_id"] not in images:
                raise ValueError(f"annotation {mark.get('id')} is of an image that is not listed")
    if not images or not marks:
        raise EngineError(f"The file {path} holds no annotated image; {REMEDY}.")
    return Annotations(images, marks)


def has_extent(box: Sequence[float]) -> bool:
    """Whether a box (x, y, w, h) covers a pixel; annotations with smaller ones are left out, as published."""
    _, _, width, height = (float(value) for value in box)
    return width >= 1.0 and height >= 1.0
