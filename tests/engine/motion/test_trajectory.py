"""Locking reduces sliding several times over, never pops, and leaves jumps alone."""

import numpy as np
from gait import walk

from engine.motion.quality import jitter
from engine.motion.trajectory import foot_slide, lift_from_floor, lock_feet


def shaken(seed: int = 0) -> tuple[np.ndarray, ...]:
    """A walk whose root drifts and trembles as one camera would make it."""
    times, joints, feet, standing = walk()
    rng = np.random.default_rng(seed)
    drift = np.cumsum(rng.normal(0, 0.003, (len(times), 3)), 0)
    error = 0.03 * np.sin(3 * times)[:, None] * [0, 1, 0.3] + drift + rng.normal(0, 0.002, (len(times), 3))
    return times, joints + error[:, None], feet + error[:, None], standing


def test_slide_goes_down_and_the_motion_does_not_get_rougher() -> None:
    times, joints, feet, standing = shaken()
    locked = lock_feet(times, joints[:, 0], feet, standing)
    change = (locked - joints[:, 0])[:, None]
    assert foot_slide(feet + change, standing) < 0.3 * foot_slide(feet, standing)
    assert jitter(joints + change) < jitter(joints)
    assert np.abs((feet + change)[standing][:, 2]).mean() < 0.5 * np.abs(feet[standing][:, 2]).mean()


def test_no_pop_where_contacts_begin_and_end() -> None:
    times, joints, feet, standing = walk()
    # Floating five centimetres, with one contact in the middle of the take.
    feet = feet + np.array([0, 0, 0.05])
    contact = np.zeros_like(standing)
    contact[62:76, 0] = True
    change = np.diff(lock_feet(times, joints[:, 0], feet, contact) - joints[:, 0], axis=0)
    assert np.abs(change).max() < 0.02
    assert np.abs(np.diff(change, axis=0)).max() < 0.01


def test_without_contacts_nothing_happens() -> None:
    times, joints, feet, standing = walk()
    np.testing.assert_allclose(
        lock_feet(times, joints[:, 0], feet, np.zeros_like(standing)), joints[:, 0], atol=1e-6
    )


def test_strength_zero_is_the_identity() -> None:
    times, joints, feet, standing = shaken()
    np.testing.assert_allclose(
        lock_feet(times, joints[:, 0], feet, standing, strength=0), joints[:, 0], atol=1e-6
    )


def test_penetration_is_lifted_smoothly() -> None:
    times = np.arange(60) / 30
    lowest = np.where((times > 1) & (times < 1.2), -0.06, 0.01)
    lift = lift_from_floor(times, lowest)
    assert (lowest + lift).min() >= -0.0051
    assert np.abs(np.diff(lift)).max() < 0.03
    assert lift[0] == 0


def test_slide_of_a_clean_walk_is_nothing() -> None:
    _, _, feet, standing = walk()
    assert foot_slide(feet, standing) < 1e-6
    assert foot_slide(feet, np.zeros_like(standing)) == 0


def test_across_the_viewing_ray_a_lasting_offset_is_left_alone_and_a_wobble_is_taken_out() -> None:
    times = np.arange(90) / 30
    feet = np.zeros((90, 4, 3))
    feet[..., 0] = (
        0.02 * np.sin(2 * np.pi * 1.5 * times)[:, None] + 0.01 * times[:, None]
    )  # wobble and slow drift
    contact = np.ones((90, 4), bool)
    locked = lock_feet(times, np.zeros((90, 3)), feet, contact, ray=np.array([0.0, 1.0, 0.0]))
    after = feet[:, 0, 0] + locked[:, 0]
    drift = 0.01 * times
    assert np.abs(after - drift)[10:-10].max() < 0.6 * 0.02
    assert np.abs(locked[:, 2]).max() < 1e-6


def test_along_the_viewing_ray_feet_are_held_for_good() -> None:
    times = np.arange(90) / 30
    feet = np.zeros((90, 4, 3))
    feet[..., 1] = 0.1 * np.sin(2 * np.pi * 0.5 * times)[:, None]
    contact = np.ones((90, 4), bool)
    locked = lock_feet(times, np.zeros((90, 3)), feet, contact, ray=np.array([0.0, 1.0, 0.0]))
    assert foot_slide(feet + locked[:, None], contact) < 0.3 * foot_slide(feet, contact)
