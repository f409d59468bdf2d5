"""The rigged body: skeleton, skin and material."""

CLASSES = ()
