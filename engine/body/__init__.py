"""The body: a skinned mesh with SMPL's 24 joints, and the rotations that move it. Needs numpy only."""
