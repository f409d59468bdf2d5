"""A take onto a character: bone curves from the poses, shape keys from what the bones cannot carry."""

CLASSES = ()
