"""An FBX reader that shares nothing with Blender's: parses the binary file and poses the mesh itself.

The container is described in Blender's developer blog ("FBX binary file format specification", 2013), the
objects in Autodesk's FBX SDK guide (skin clusters: "FbxCluster"; blend shapes: "FbxBlendShapeChannel").
"""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

TICKS = 46186158000  # per second
Array = np.ndarray[Any, Any]


@dataclass
class Node:
    name: str
    values: list[Any]
    children: list[Node] = field(default_factory=list)
    _properties: dict[str, list[Any]] | None = None

    def __getitem__(self, name: str) -> Node:
        return next(child for child in self.children if child.name == name)

    def all(self, name: str) -> list[Node]:
        return [child for child in self.children if child.name == name]

    def properties(self) -> dict[str, list[Any]]:
        """The Properties70 block: name → values."""
        if self._properties is None:
            blocks = self.all("Properties70")
            self._properties = {p.values[0]: p.values[4:] for block in blocks for p in block.all("P")}
        return self._properties


def parse(data: bytes) -> Node:
    """The whole file as one tree."""
    assert data[:18] == b"Kaydara FBX Binary"
    (version,) = struct.unpack_from("<I", data, 23)
    head = "<IIIB" if version < 7500 else "<QQQB"
    root, place = Node("", []), 27
    while True:
        node, place = _node(data, place, head)
        if node is None:
            return root
        root.children.append(node)


def _node(data: bytes, place: int, head: str) -> tuple[Node | None, int]:
    end, count, _, length = struct.unpack_from(head, data, place)
    place += struct.calcsize(head)
    if end == 0:
        return None, place
    name = data[place : place + length].decode()
    place += length
    values = []
    for _ in range(count):
        value, place = _value(data, place)
        values.append(value)
    node = Node(name, values)
    while place < end:
        child, place = _node(data, place, head)
        if child is not None:
            node.children.append(child)
    return node, end


def _value(data: bytes, place: int) -> tuple[Any, int]:
    kind = chr(data[place])
    place += 1
    single = {"Y": "<h", "C": "<B", "I": "<i", "F": "<f", "D": "<d", "L": "<q"}
    if kind in single:
        (value,) = struct.unpack_from(single[kind], data, place)
        return value, place + struct.calcsize(single[kind])
    if kind in "SR":
        (size,) = struct.unpack_from("<I", data, place)
        raw = data[place + 4 : place + 4 + size]
        return (raw.decode("utf-8", "replace") if kind == "S" else raw), place + 4 + size
    count, encoding, size = struct.unpack_from("<III", data, place)
    raw = data[place + 12 : place + 12 + size]
    raw = zlib.decompress(raw) if encoding else raw
    dtype = {"f": "<f4", "d": "<f8", "i": "<i4", "l": "<i8", "b": "u1", "c": "u1"}[kind]
    return np.frombuffer(raw, dtype, count), place + 12 + size


class Fbx:
    """Skeletons, skinned meshes and one animation, evaluated at any time."""

    def __init__(self, path: Path) -> None:
        self.root = parse(path.read_bytes())
        self.settings = {k: v[0] for k, v in self.root["GlobalSettings"].properties().items() if v}
        self.objects = {n.values[0]: n for n in self.root["Objects"].children}
        self.kind = {i: (n.name, n.values[2]) for i, n in self.objects.items()}
        self.name = {i: n.values[1].split("\x00")[0] for i, n in self.objects.items()}
        self.parents: dict[int, list[tuple[int, str]]] = defaultdict(list)
        self.sources: dict[int, list[tuple[int, str]]] = defaultdict(list)
        for link in self.root["Connections"].all("C"):
            child, parent = link.values[1:3]
            prop = link.values[3] if link.values[0] == "OP" else ""
            self.parents[child].append((parent, prop))
            self.sources[parent].append((child, prop))
        self.models = [i for i, (kind, _) in self.kind.items() if kind == "Model"]
        self.meshes = [i for i in self.models if self.kind[i][1] == "Mesh"]
        # what is animated: (object, property, component) → (ticks, values)
        self.curves: dict[tuple[int, str, str], tuple[Array, Array]] = {}
        for node, (kind, _) in self.kind.items():
            if kind != "AnimationCurveNode":
                continue
            targets = [(p, prop) for p, prop in self.parents[node] if prop]
            for curve, component in self.sources[node]:
                keys = self.objects[curve]
                for target, prop in targets:
                    times, values = keys["KeyTime"].values[0], keys["KeyValueFloat"].values[0]
                    self.curves[target, prop, component] = times, values

    # -- facts

    @property
    def metres(self) -> float:
        """Length of the file's unit: UnitScaleFactor counts in centimetres."""
        return float(self.settings["UnitScaleFactor"]) / 100.0

    def frame_ticks(self) -> Array:
        """Every time that has a key, over all curves."""
        return np.unique(np.concatenate([times for times, _ in self.curves.values()]))

    def find(self, name: str, kind: str = "Model") -> int:
        found = [i for i in self.objects if self.name[i] == name and self.kind[i][0] == kind]
        assert len(found) == 1, (name, found)
        return found[0]

    def parent_model(self, model: int) -> int | None:
        return next((p for p, _ in self.parents[model] if p in self.models), None)

    # -- evaluation

    def _vector(self, model: int, prop: str, default: float, ticks: int | None) -> Array:
        values = self.objects[model].properties().get(prop)
        vector = np.array(values[:3] if values else [default] * 3, dtype=np.float64)
        if ticks is not None:
            for axis, component in enumerate("XYZ"):
                curve = self.curves.get((model, prop, f"d|{component}"))
                if curve is not None:
                    vector[axis] = np.interp(ticks, *curve)
        return vector

    def local(self, model: int, ticks: int | None) -> Array:
        """(4,4) relative to the parent; ticks None: as the file's nodes stand, without animation."""
        properties = self.objects[model].properties()
        for unused in ("RotationPivot", "ScalingPivot", "RotationOffset", "ScalingOffset", "PostRotation"):
            assert not any(properties.get(unused, [0, 0, 0])[:3]), unused
        pre = _euler(np.array(properties.get("PreRotation", [0.0, 0.0, 0.0])[:3], dtype=np.float64))
        matrix = np.eye(4)
        turn = pre @ _euler(self._vector(model, "Lcl Rotation", 0.0, ticks))
        matrix[:3, :3] = turn * self._vector(model, "Lcl Scaling", 1.0, ticks)
        matrix[:3, 3] = self._vector(model, "Lcl Translation", 0.0, ticks)
        return matrix

    def world(self, model: int, ticks: int | None) -> Array:
        """(4,4) in the file's space."""
        parent = self.parent_model(model)
        above = np.eye(4) if parent is None else self.world(parent, ticks)
        return above @ self.local(model, ticks)

    def geometry(self, mesh: int) -> int:
        return next(c for c, _ in self.sources[mesh] if self.kind[c] == ("Geometry", "Mesh"))

    def deformers(self, geometry: int, kind: str) -> list[int]:
        return [c for c, _ in self.sources[geometry] if self.kind[c] == ("Deformer", kind)]

    def rest_points(self, mesh: int) -> Array:
        """(V,3) as stored, in the mesh's own space."""
        return np.asarray(self.objects[self.geometry(mesh)]["Vertices"].values[0]).reshape(-1, 3)

    def channels(self, mesh: int) -> list[int]:
        shapes = self.deformers(self.geometry(mesh), "BlendShape")
        return [c for s in shapes for c, _ in self.sources[s] if self.kind[c][1] == "BlendShapeChannel"]

    def shaped(self, mesh: int, ticks: int | None) -> Array:
        """(V,3) with blend shapes, before the skeleton."""
        points = self.rest_points(mesh).copy()
        for channel in self.channels(mesh):
            percent = float(self.objects[channel]["DeformPercent"].values[0])
            curve = self.curves.get((channel, "DeformPercent", "d|DeformPercent"))
            if curve is not None and ticks is not None:
                percent = float(np.interp(ticks, *curve))
            full = np.asarray(self.objects[channel]["FullWeights"].values[0])
            assert np.all(full == 100.0)
            for shape, _ in self.sources[channel]:
                if self.kind[shape] != ("Geometry", "Shape"):
                    continue
                node = self.objects[shape]
                delta = np.asarray(node["Vertices"].values[0]).reshape(-1, 3)
                points[node["Indexes"].values[0]] += delta * percent / 100.0
        return points

    def clusters(self, mesh: int) -> list[tuple[int, Array, Array, Array, Array]]:
        """(bone, indices, weights, Transform, TransformLink) of every cluster."""
        (skin,) = self.deformers(self.geometry(mesh), "Skin")
        result = []
        for cluster, _ in self.sources[skin]:
            node = self.objects[cluster]
            (bone,) = [c for c, _ in self.sources[cluster] if c in self.models]
            indices = node.all("Indexes")[0].values[0] if node.all("Indexes") else np.zeros(0, int)
            weights = node.all("Weights")[0].values[0] if node.all("Weights") else np.zeros(0)
            # Matrices are stored column after column.
            matrices = [np.asarray(node[n].values[0]).reshape(4, 4).T for n in ("Transform", "TransformLink")]
            result.append((bone, indices, weights, matrices[0], matrices[1]))
        return result

    def posed(self, mesh: int, ticks: int | None) -> Array:
        """(V,3) skinned, in the file's space: bone(t) · inverse(bone at bind) · mesh at bind · point."""
        points = np.c_[self.shaped(mesh, ticks), np.ones(len(self.rest_points(mesh)))]
        result, total = np.zeros((len(points), 3)), np.zeros(len(points))
        for bone, indices, weights, transform, link in self.clusters(mesh):
            move = self.world(bone, ticks) @ np.linalg.inv(link) @ (link @ transform)
            result[indices] += weights[:, None] * (points[indices] @ move[:3].T)
            total[indices] += weights
        assert np.abs(total - 1).max() < 1e-5
        return result / total[:, None]

    def to_blender(self, points: Array) -> Array:
        """Metres, Z up, from a file that says Y up, right-handed, front +Z."""
        axes = [self.settings[a] for a in ("UpAxis", "UpAxisSign", "FrontAxis", "FrontAxisSign", "CoordAxis")]
        assert axes == [1, 1, 2, 1, 0], axes
        return np.asarray(points[..., [0, 2, 1]] * (1, -1, 1) * self.metres)


def _euler(degrees: Array) -> Array:
    """FBX's default order: X first, then Y, then Z, about fixed axes."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(z @ y @ x)
