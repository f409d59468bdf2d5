"""From a dataset's sample to what the network reads and should give, as published.

The tight box around the 2D joints grows to the network's aspect, the joints go into its crop, training
makes them look detected and mirrors them, and x and y are standardised apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...datasets.sample import Sample
from ...pose2mesh.preprocess import (
    NETWORK_SIZE,
    crop_transform,
    grown_box,
    mirror_2d,
    mirror_3d,
    network_input,
    standardize,
    transform_points,
)
from ...pose2mesh.skeletons import JointSet
from .noise import COCO_DETECTED, coco_errors, human36m_errors

FloatArray = npt.NDArray[np.float32]

REAL_DETECTIONS = ("surreal", "freihand")
"""Datasets that come with a detector's output for training too: nothing is added to it."""
NEVER_AUGMENTED = ("freihand",)
MIRRORED_FIRST = ("muco",)
"""Datasets that are mirrored before the errors are drawn, in the area of the grown box instead of the tight
one; the others the other way round."""


@dataclass(frozen=True)
class Augmentation:
    """What training does to the 2D joints.

    Attributes:
        noise: make true joints look detected.
        mirror: mirror half of the samples.
    """

    noise: bool
    mirror: bool


def training_input(
    sample: Sample, dataset: str, joints: JointSet, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """The network's 2D input (J, 2) and PoseNet's target (J, 3) mm of one training sample.

    Mirroring concerns only these two, as published; it is used where PoseNet trains alone.

    Args:
        dataset: the name of the dataset the sample is from.
        rng: of this sample in this epoch alone, so that a resumed training draws the same.
    """
    box = grown_box(sample.box, NETWORK_SIZE[0] / NETWORK_SIZE[1])
    crop: npt.NDArray[np.floating] = transform_points(sample.pose2d, crop_transform(box, NETWORK_SIZE))
    lifted = sample.lifted_joints
    mirror = augmentation.mirror and dataset not in NEVER_AUGMENTED and rng.uniform() <= 0.5
    noise = augmentation.noise and dataset not in REAL_DETECTIONS
    mirrored_first = dataset in MIRRORED_FIRST
    if mirror:
        lifted = mirror_3d(lifted, joints.flip_pairs)
    if mirror and mirrored_first:
        crop = mirror_2d(crop, NETWORK_SIZE[0], joints.flip_pairs)
    if noise:
        scale = NETWORK_SIZE[0] / float(box[2])
        width, height = box[2:] if mirrored_first else sample.box[2:]
        crop = with_errors(crop, joints, float(width) * float(height) * scale**2, rng)
    if mirror and not mirrored_first:
        crop = mirror_2d(crop, NETWORK_SIZE[0], joints.flip_pairs)
    return standardize(crop).astype(np.float32), lifted.astype(np.float32)


def with_errors(
    crop: npt.NDArray[np.floating], joints: JointSet, area: float, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Joints (J, 2) in the crop with a detector's errors.

    COCO's pelvis and neck stay where they were projected, though at test time they are midpoints of
    detections: so it is published. Joint sets without a published error model are returned as they are.

    Args:
        area: of the person's box in the crop, square pixels.
    """
    noisy = np.array(crop, dtype=np.float64)
    if joints.name == "human36m17":
        noisy += human36m_errors(rng)
    elif joints.name == "coco19":
        noisy[:COCO_DETECTED] = coco_errors(noisy[:COCO_DETECTED], area, rng)
    return noisy


def evaluation_input(sample: Sample, detected: bool) -> FloatArray:
    """The network's 2D input (J, 2) of one test sample: the detector's joints, or the true ones.

    The crop drops out of the standardised joints, so it does not matter around which of the two it is.
    """
    use = sample.detected2d if detected and sample.detected2d is not None else sample.pose2d
    return network_input(use)
