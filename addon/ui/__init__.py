"""The sidebar tab beside the capture panel: what was made, how it is baked, where it goes."""

from .panels import P2M_PT_character, P2M_PT_export

CLASSES = (P2M_PT_character, P2M_PT_export)
