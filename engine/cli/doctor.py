"""`python -m engine doctor`: checks what the engine needs, one line each with cause and remedy."""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.metadata
import json
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ..errors import EngineError

ASSETS: Final = Path(__file__).parent.parent / "assets"
NEEDED_ASSETS: Final = (
    "open_body.npz",
    "pose_landmarker_full.task",
    "pose_landmarker_heavy.task.1",
    "pose_landmarker_heavy.task.2",
    "weights/open_body_quality.safetensors",
    "weights/open_body_light.safetensors",
)
PACKAGES: Final = ("numpy", "scipy", "av", "torch", "mediapipe", "cv2", "safetensors", "tqdm")
MIN_FREE_BYTES: Final = 2 << 30
_NO_REMEDY: Final = ""


@dataclass(frozen=True)
class Finding:
    """One check: what was looked at, whether it is well, what was found, and what to do."""

    name: str
    ok: bool
    found: str
    remedy: str = _NO_REMEDY


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Adds the command to the parser of `python -m engine`."""
    parser = subparsers.add_parser("doctor", help="check that the engine has what it needs")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 0 when everything is well."""
    findings = []
    for finding in examine():
        findings.append(finding)
        if not arguments.json:
            mark = "ok  " if finding.ok else "BAD "
            print(
                f"{mark}{finding.name}: {finding.found}" + (f" → {finding.remedy}" if finding.remedy else ""),
                flush=True,
            )
    well = all(finding.ok for finding in findings)
    if arguments.json:
        print(json.dumps({"ok": well, "checks": [asdict(finding) for finding in findings]}))
    return 0 if well else 1


def examine() -> Iterator[Finding]:
    """Every check, the quick ones first. Never raises."""
    yield python()
    for name in PACKAGES:
        yield package(name)
    yield device()
    for name in NEEDED_ASSETS:
        yield asset(ASSETS / name)
    yield from imported_bodies()
    yield guarded("pose model runs", pose_model)
    yield guarded("video decoder runs", decoder)
    yield disk(Path(tempfile.gettempdir()))


def python() -> Finding:
    found = f"{platform.python_version()} at {sys.executable}"
    well = sys.version_info >= (3, 11) and sys.maxsize > 2**32
    return Finding("Python", well, found, _NO_REMEDY if well else "install a 64-bit Python 3.11 or newer")


def package(name: str) -> Finding:
    """Whether a package can be imported, and which version it is."""
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a broken binary may raise anything
        return Finding(name, False, f"cannot be imported ({error})", "install the engine again")
    return Finding(name, True, str(getattr(module, "__version__", "present")))


def device() -> Finding:
    """The GPU is optional: without it the finding is well, with a remark."""
    try:
        import torch

        from ..pose2mesh.devices import gpu_refusal

        refusal = gpu_refusal()
        if refusal is None:
            memory = torch.cuda.get_device_properties(0).total_memory >> 20
            return Finding("GPU", True, f"{torch.cuda.get_device_name(0)}, {memory} MB")
        remedy = _NO_REMEDY if torch.version.cuda is None else "update the GPU driver to use it"
        return Finding("GPU", True, f"not used: {refusal}; the processor works, slower", remedy)
    except Exception as error:
        return Finding("GPU", False, f"torch fails ({error})", "install the engine again")


def asset(path: Path) -> Finding:
    """A shipped file with the beginning of its SHA-256, to compare between installations."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Finding(path.name, True, f"{path.stat().st_size} bytes, sha256 {digest[:16]}")
    except OSError as error:
        return Finding(path.name, False, f"missing ({error.strerror})", "install the engine again")


def imported_bodies() -> Iterator[Finding]:
    """The user's own bodies: whether each can be read, and whether captures have a network for it."""
    from ..body import library
    from ..body.model import BodyModel

    for name in library.imported_bodies():
        path, weights = library.body_file(name), library.weights_file(name)
        if library.is_hand(path):
            yield Finding(f"body {name}", True, f"a hand, in {path}")
            continue
        try:
            BodyModel.load(name)
        except EngineError as error:
            yield Finding(f"body {name}", False, error.text, "import it again")
            continue
        remedy = _NO_REMEDY if weights.is_file() else f"to capture it: import-checkpoint FILE --body {name}"
        yield Finding(
            f"body {name}", True, f"{path}, {'with' if weights.is_file() else 'no'} network", remedy
        )


def guarded(name: str, check: Callable[[], str]) -> Finding:
    """A check that runs a part of the engine."""
    try:
        return Finding(name, True, check())
    except EngineError as error:
        return Finding(name, False, error.text, "install the engine again")
    except Exception as error:
        return Finding(name, False, f"{type(error).__name__}: {error}", "install the engine again")


def pose_model() -> str:
    """One grey frame through MediaPipe."""
    import numpy as np

    from ..pose2d.landmarker import Landmarker
    from ..video.frames import Frame

    with Landmarker() as landmarker:
        landmarker.detect(Frame(0, 0.0, np.full((64, 64, 3), 128, np.uint8)))
    return "yes"


def decoder() -> str:
    """A few frames written and read back."""
    import av
    import numpy as np

    from ..video.decode import VideoFile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.mp4"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for _ in range(3):
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        count = sum(1 for _ in VideoFile(path))
    if count != 3:
        raise EngineError(f"{count} of 3 frames came back.", "internal")
    return "yes"


def disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    well = free >= MIN_FREE_BYTES
    remedy = _NO_REMEDY if well else "free some space; a minute of 30 fps video needs about 300 MB"
    return Finding("Free disk space", well, f"{free >> 20} MB in {folder}", remedy)
