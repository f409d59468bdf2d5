"""Resolves lock/*.in into lock/*.txt: versions and hashes of all that build.py installs. Needs `uv`."""

from __future__ import annotations

import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = "# Made by lock/update.py; do not edit.\n"

BLENDER_PYTHON = {"4.2": "3.11", "4.5": "3.11", "5.0": "3.11", "5.2": "3.13"}
# Its extension system does not register without the packages that bpy declares.
NEEDS_ITS_OWN = {"5.2"}
CUDA_PREFIXES = ("nvidia-", "cuda-", "triton")
# torch's CPU builds are not on the package registry, so their hashes are kept here: SHA-256 per wheel.
TORCH_CPU = {
    "cp311-manylinux_2_28_x86_64": "6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b",
}


def resolve(name: str, *options: str) -> dict[str, str]:
    """Package name → its lines in the lock (requirement, marker, hashes), in alphabetical order."""
    command = ["uv", "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate"]
    command += ["--no-emit-index-url", "--no-config", *options, f"{name}.in"]
    text = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout
    packages: dict[str, str] = {}
    current = ""
    for line in text.splitlines(keepends=True):
        if not line[0].isspace():
            current = line.split("==")[0]
        packages[current] = packages.get(current, "") + line
    return packages


def write(name: str, packages: dict[str, str]) -> None:
    (HERE / f"{name}.txt").write_text(HEADER + "".join(packages.values()), encoding="utf-8", newline="\n")
    print(f"{name}.txt: {len(packages)} packages")


def main() -> None:
    universal = ("--universal", "--python-version", "3.11", "--fork-strategy", "fewest")
    engine = resolve("engine", *universal, "--excludes", "engine.excludes")
    torch = {"torch": engine.pop("torch")}
    cuda = {name: lines for name, lines in engine.items() if name.startswith(CUDA_PREFIXES)}
    version = torch["torch"].split()[0]
    hashes = " \\\n".join(f"    --hash=sha256:{digest}" for digest in TORCH_CPU.values())
    write("engine", {name: lines for name, lines in engine.items() if name not in cuda})
    write("torch", torch)
    write("torch-cuda", cuda)
    write("torch-cpu", {"torch": f"{version}+cpu \\\n{hashes}\n"})
    # In the same environment as the engine: its versions win.
    installed = ("--constraints", "engine.txt")
    write("dev", {k: v for k, v in resolve("dev", *universal, *installed).items() if k not in engine})
    smplx = resolve("smplx", *universal, *installed, "--constraints", "torch.txt")
    write("smplx", {k: v for k, v in smplx.items() if k not in engine and k != "torch"})
    for blender, python in BLENDER_PYTHON.items():
        options = ["--python-version", python]
        if blender not in NEEDS_ITS_OWN:
            options += ["--excludes", "blender.excludes"]
        write(f"blender-{blender}", resolve(f"blender-{blender}", *options))


if __name__ == "__main__":
    main()
