"""Vertices to pose, shape and camera, all closed form. See docs/fit.md."""
