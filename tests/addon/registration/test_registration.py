"""Registration undoes itself, whole or half done."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import bpy
import pytest
from pose2mesh_mocap.addon.registration import Registration


def operator(name: str) -> type[bpy.types.Operator]:
    return type(
        f"P2MTEST_OT_{name}", (bpy.types.Operator,), {"bl_idname": f"p2mtest.{name}", "bl_label": name}
    )


def feature(*classes: type, calls: list[str] | None = None, name: str = "", fails: bool = False) -> Any:
    calls = calls if calls is not None else []

    def register() -> None:
        calls.append(f"+{name}")
        if fails:
            raise RuntimeError("no")

    return SimpleNamespace(CLASSES=classes, register=register, unregister=lambda: calls.append(f"-{name}"))


def is_registered(cls: type) -> bool:
    return bool(cls.is_registered)  # type: ignore[attr-defined]


def test_features_go_in_reverse_order() -> None:
    calls: list[str] = []
    first, second = operator("first"), operator("second")
    registration = Registration(
        [feature(first, calls=calls, name="a"), feature(second, calls=calls, name="b")]
    )
    registration.register()
    assert is_registered(first) and is_registered(second)
    registration.unregister()
    assert calls == ["+a", "+b", "-b", "-a"]
    assert not is_registered(first) and not is_registered(second)


def test_a_feature_that_fails_takes_the_others_back() -> None:
    calls: list[str] = []
    first, second = operator("third"), operator("fourth")
    broken = feature(second, calls=calls, name="b", fails=True)
    with pytest.raises(RuntimeError, match="no"):
        Registration([feature(first, calls=calls, name="a"), broken]).register()
    assert calls == ["+a", "+b", "-b", "-a"]
    assert not is_registered(first) and not is_registered(second)


def test_one_failing_step_does_not_keep_the_rest_registered() -> None:
    cls = operator("fifth")
    stubborn = SimpleNamespace(CLASSES=(), register=lambda: None, unregister=lambda: 1 / 0)
    registration = Registration([feature(cls), stubborn])  # type: ignore[list-item]
    registration.register()
    with pytest.raises(ZeroDivisionError):
        registration.unregister()
    assert not is_registered(cls)


def test_the_add_on_can_be_registered_twice_in_a_row(addon: ModuleType) -> None:
    addon.unregister()
    assert not hasattr(bpy.types.Scene, "pose2mesh_capture")
    addon.register()
    assert hasattr(bpy.types.Scene, "pose2mesh_capture")
