"""A glTF reader that shares nothing with Blender's: JSON and BIN with numpy, skin and morph targets
evaluated here.

glTF 2.0 specification: accessors 3.6.2 (sparse 3.6.2.3), skins 3.7.3, morph targets 3.7.2.2, animations 3.11.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
_TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Gltf:
    """One .glb file with its only animation."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        self.json = json.loads(data[20 : 20 + size])
        rest = 20 + size
        size, kind = struct.unpack_from("<I4s", data, rest)
        assert kind == b"BIN\x00"
        self.bin = data[rest + 8 : rest + 8 + size]
        self.nodes = self.json["nodes"]
        self.parent = {c: i for i, n in enumerate(self.nodes) for c in n.get("children", [])}
        self._accessors: dict[int, Array] = {}
        self.channels: dict[tuple[int, str], tuple[Array, Array, str]] = {}
        animations = self.json.get("animations", [])
        assert len(animations) <= 1
        for animation in animations:
            for channel in animation["channels"]:
                sampler = animation["samplers"][channel["sampler"]]
                self.channels[channel["target"]["node"], channel["target"]["path"]] = (
                    self.accessor(sampler["input"])[:, 0],
                    self.accessor(sampler["output"]),
                    sampler.get("interpolation", "LINEAR"),
                )

    def accessor(self, index: int) -> Array:
        """(count, components) of one accessor, sparse values applied."""
        if index not in self._accessors:
            self._accessors[index] = self._read(index)
        return self._accessors[index]

    def _read(self, index: int) -> Array:
        a = self.json["accessors"][index]
        columns = _SIZES[a["type"]]
        dtype = np.dtype(_TYPES[a["componentType"]])
        if "bufferView" in a:
            values = self._view(a["bufferView"], dtype, a["count"], columns, a.get("byteOffset", 0)).copy()
        else:
            values = np.zeros((a["count"], columns), dtype)
        if "sparse" in a:
            s = a["sparse"]
            kind = np.dtype(_TYPES[s["indices"]["componentType"]])
            where = self._view(
                s["indices"]["bufferView"], kind, s["count"], 1, s["indices"].get("byteOffset", 0)
            )
            what = self._view(
                s["values"]["bufferView"], dtype, s["count"], columns, s["values"].get("byteOffset", 0)
            )
            values[where[:, 0]] = what
        if a.get("normalized"):
            values = values / np.iinfo(dtype).max
        return values

    def _view(self, index: int, dtype: Any, count: int, columns: int, offset: int) -> Array:
        view = self.json["bufferViews"][index]
        start = view.get("byteOffset", 0) + offset
        assert view.get("byteStride", dtype.itemsize * columns) == dtype.itemsize * columns
        return np.frombuffer(self.bin, dtype, count * columns, start).reshape(count, columns)

    def times(self) -> Array:
        """Every time with a key, over all channels."""
        return np.unique(np.concatenate([times for times, _, _ in self.channels.values()]))

    def find(self, name: str) -> int:
        found = [i for i, node in enumerate(self.nodes) if node.get("name") == name]
        assert len(found) == 1, (name, found)
        return found[0]

    def _sample(self, node: int, path: str, time: float | None) -> Array | None:
        if time is None or (node, path) not in self.channels:
            return None
        times, values, interpolation = self.channels[node, path]
        assert interpolation in ("LINEAR", "STEP")
        if path == "weights":
            values = values.reshape(len(times), -1)
        at = int(np.argmin(np.abs(times - time)))
        assert abs(times[at] - time) < 1e-4 or len(times) <= 2, "only keyed times are evaluated"
        return np.asarray(values[at], dtype=np.float64)

    def local(self, node: int, time: float | None) -> Array:
        """(4,4) relative to the parent; time None: as the nodes stand."""
        n = self.nodes[node]
        assert "matrix" not in n
        sampled = {p: self._sample(node, p, time) for p in ("translation", "rotation", "scale")}
        t = sampled["translation"] if sampled["translation"] is not None else n.get("translation", (0, 0, 0))
        q = sampled["rotation"] if sampled["rotation"] is not None else n.get("rotation", (0, 0, 0, 1))
        s = sampled["scale"] if sampled["scale"] is not None else n.get("scale", (1, 1, 1))
        x, y, z, w = np.asarray(q, dtype=np.float64) / np.linalg.norm(q)
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
                [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
                [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
            ]
        ) * np.asarray(s)
        matrix[:3, 3] = t
        return matrix

    def world(self, node: int, time: float | None) -> Array:
        """(4,4) in the file's space."""
        above = self.world(self.parent[node], time) if node in self.parent else np.eye(4)
        return above @ self.local(node, time)

    def rest_points(self, node: int) -> Array:
        """(N,3) POSITION as stored; glTF splits vertices where UVs or normals differ."""
        return self.accessor(self._primitive(node)["attributes"]["POSITION"])

    def _primitive(self, node: int) -> Any:
        (primitive,) = self.json["meshes"][self.nodes[node]["mesh"]]["primitives"]
        return primitive

    def weights(self, node: int, time: float | None) -> Array:
        sampled = self._sample(node, "weights", time)
        if sampled is not None:
            return sampled
        mesh = self.json["meshes"][self.nodes[node]["mesh"]]
        return np.asarray(mesh.get("weights", [0.0] * len(self._primitive(node).get("targets", []))))

    def posed(self, node: int, time: float | None) -> Array:
        """(N,3) with morph targets and skin, in the file's space; the mesh node's own place is unused."""
        primitive = self._primitive(node)
        points = self.rest_points(node).astype(np.float64)
        for weight, target in zip(self.weights(node, time), primitive.get("targets", []), strict=True):
            points = points + weight * self.accessor(target["POSITION"])
        points = np.c_[points, np.ones(len(points))]
        skin = self.json["skins"][self.nodes[node]["skin"]]
        inverse = self.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        moves = np.array([self.world(j, time) @ m for j, m in zip(skin["joints"], inverse, strict=True)])
        result, total = np.zeros((len(points), 3)), np.zeros(len(points))
        attributes = primitive["attributes"]
        for n in range(4):
            if f"JOINTS_{n}" not in attributes:
                break
            joints, shares = (
                self.accessor(attributes[f"JOINTS_{n}"]),
                self.accessor(attributes[f"WEIGHTS_{n}"]),
            )
            for column in range(4):
                moved = np.einsum("vij,vj->vi", moves[joints[:, column], :3], points)
                result += shares[:, column, None] * moved
                total += shares[:, column]
        assert np.abs(total - 1).max() < 1e-4
        return result

    @staticmethod
    def to_blender(points: Array) -> Array:
        """glTF is Y up and faces +Z, in metres."""
        return np.asarray(points[..., [0, 2, 1]] * (1, -1, 1))
