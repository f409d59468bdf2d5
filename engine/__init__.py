"""Pose2Mesh Mocap's engine: video in, take out, in its own process. Imports nothing heavy."""

__version__ = "0.1.0"
