"""What people do in a clip, from its description or name: a handful of readable categories."""

from __future__ import annotations

import re

OTHER = "other"
_WORDS: tuple[tuple[str, str], ...] = (
    (
        "climbing, acrobatics",
        "playground climb cartwheel flip backflip roll handstand crawl swim sequence lie push-up sit-up",
    ),
    ("dance", "dance dancing ballet pirouette"),
    ("gestures", "signal directing gesture wave waving greet talk cheer bow point"),
    ("ball games", "basketball soccer football ball throw dribble"),
    ("fighting", "punch strike sword fight kick melee attack jab block bassai empi pistol shoot"),
    ("everyday", "wash bend sit sitting scoop pick reach kneel interact open carry push pull stand use"),
    ("jumping", "jump hop leap"),
    ("running", "run jog sprint"),
    ("walking", "walk step sneak"),
)
"""Category → beginnings of words; the first category that fits counts, the telling ones before the plain."""


def category(text: str) -> str:
    """The category of a clip's description, such as "basketball - forward dribble"; `OTHER` if none fits."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower()
    words = re.findall(r"[a-z]+(?:-[a-z]+)*", spaced.replace("_", " "))
    for name, beginnings in _WORDS:
        if any(word.startswith(tuple(beginnings.split())) for word in words):
            return name
    return OTHER


def categories(names: list[str], descriptions: list[str]) -> list[str]:
    """One category per clip; a clip that its description says nothing about is judged by its name."""
    found = [category(text) for text in descriptions]
    return [category(name) if c == OTHER else c for c, name in zip(found, names, strict=True)]
