"""Video in: frames with presentation times, upright, one at a time."""

from .frames import Frame, FrameSource, Image, VideoInfo

__all__ = ["Frame", "FrameSource", "Image", "VideoInfo"]
