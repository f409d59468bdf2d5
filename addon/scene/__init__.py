"""The scene around a character: time, camera and the footage behind it."""

CLASSES = ()
