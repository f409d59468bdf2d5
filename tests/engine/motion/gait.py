"""A procedural walk as joint and foot positions: no assets, no captured motion."""

import numpy as np

# Offsets of the 24 joints from the pelvis when standing, z up, facing -y, left side on +x.
STANDING = np.array([
    (0, 0, 0), (0.08, 0, -0.09), (-0.08, 0, -0.09), (0, 0, 0.1), (0.09, 0, -0.48), (-0.09, 0, -0.48),
    (0, 0, 0.24), (0.1, 0.03, -0.87), (-0.1, 0.03, -0.87), (0, 0, 0.3), (0.11, -0.1, -0.93),
    (-0.11, -0.1, -0.93), (0, 0.01, 0.5), (0.07, 0, 0.42), (-0.07, 0, 0.42), (0, -0.02, 0.58),
    (0.17, 0, 0.44), (-0.17, 0, 0.44), (0.2, 0, 0.18), (-0.2, 0, 0.18), (0.21, -0.05, -0.07),
    (-0.21, -0.05, -0.07), (0.21, -0.08, -0.15), (-0.21, -0.08, -0.15),
])  # fmt: skip
PELVIS_HEIGHT = 0.95


def walk(seconds: float = 4.0, fps: float = 30.0, speed: float = 1.0) -> tuple[np.ndarray, ...]:
    """times (F,), joints (F,24,3), feet (F,4,3), standing (F,4): a straight walk towards -y on the floor z =
    0.

    Each foot rests for 60 % of a one-second cycle and swings in an arc for the rest.
    """
    times = np.arange(int(seconds * fps)) / fps
    root = np.stack(
        [np.zeros_like(times), -speed * times, PELVIS_HEIGHT + 0.02 * np.cos(4 * np.pi * times)], 1
    )
    joints = root[:, None] + STANDING
    feet, standing = np.empty((len(times), 4, 3)), np.empty((len(times), 4), dtype=bool)
    for side, phase in ((0, 0.0), (1, 0.5)):
        cycle = np.floor(times + phase)
        part = times + phase - cycle
        swing = np.clip((part - 0.6) / 0.4, 0, 1)
        ease = swing**2 * (3 - 2 * swing)
        y = -speed * (cycle - phase + ease + 0.3)
        place = np.stack([np.full_like(times, 0.1 - 0.2 * side), y, 0.12 * np.sin(np.pi * swing)], 1)
        feet[:, 2 * side] = place + np.array([0, 0.12, 0])
        feet[:, 2 * side + 1] = place + np.array([0, -0.08, 0])
        standing[:, 2 * side : 2 * side + 2] = (part < 0.6)[:, None]
        joints[:, 7 + side] = place + np.array([0, 0.08, 0.08])
        joints[:, 10 + side] = place + np.array([0, -0.08, 0.02])
        joints[:, 4 + side] = (joints[:, 1 + side] + joints[:, 7 + side]) / 2 + np.array([0, -0.03, 0])
    return times, joints, feet, standing


def camera_from_world(roll: float, pitch: float, distance: float = 4.0, height: float = 1.3) -> np.ndarray:
    """(4,4): a camera at (0, -distance, height) looking along +y, pitched down and rolled, radians."""
    level = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], dtype=float)  # x right, y down, z forward
    c, s = np.cos(pitch), np.sin(pitch)
    down = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    c, s = np.cos(roll), np.sin(roll)
    rolled = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = rolled @ down @ level
    matrix[:3, 3] = -matrix[:3, :3] @ np.array([0, -distance, height])
    return matrix


def seen(camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ camera[:3, :3].T + camera[:3, 3]
