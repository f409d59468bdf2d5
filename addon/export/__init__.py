"""Characters out of Blender: FBX and glTF for game engines and other programs."""

CLASSES = ()
