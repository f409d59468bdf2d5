"""The scene around a character: time, camera and the footage behind it."""

from .operators import P2M_OT_open_take

CLASSES = (P2M_OT_open_take,)
