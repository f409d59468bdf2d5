"""The engine's quality figures in words an artist reads."""

from __future__ import annotations

from collections.abc import Callable

# Key of the result → its name and how its value is written; keys that are not here are for programs.
FIGURES: dict[str, tuple[str, Callable[[float], str]]] = {
    "reprojection_percent": ("Off the video by", lambda value: f"{value:.1f} % of height"),
    "confidence": ("Confidence", lambda value: f"{value:.0%}"),
    "jitter_mm": ("Jitter", lambda value: f"{value:.1f} mm/frame²"),
    "foot_slide_mm": ("Foot slide", lambda value: f"{value:.1f} mm/frame"),
    "infilled_fraction": ("Filled in", lambda value: f"{value:.0%} of frames"),
    "fps": ("Speed", lambda value: f"{value:.1f} frames/s"),
}
