"""Puts a report into the documentation: its tables between the page's marks, its pictures beside the others.

python -m engine evaluate val.npz --report REPORT
python tools/accuracy_page.py REPORT
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- report: begin -->", "<!-- report: end -->"
PICTURES = ("worst-clean.jpg", "worst-noisy.jpg")


def replaced(page: str, tables: str) -> str:
    """The page with everything between its marks replaced.

    Raises:
        ValueError: the marks are missing or in the wrong order.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page needs a line {BEGIN} and, after it, a line {END}")
    return f"{before}{BEGIN}\n\n{tables.strip()}\n\n{END}{after}"


def publish(report: Path, docs: Path) -> None:
    """Write `accuracy.md` and `images/accuracy-*.jpg` in the documentation's folder."""
    page = docs / "accuracy.md"
    tables = (report / "report.md").read_text(encoding="utf-8")
    page.write_text(replaced(page.read_text(encoding="utf-8"), tables), encoding="utf-8")
    for name in PICTURES:
        shutil.copyfile(report / name, docs / "images" / f"accuracy-{name}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("report", type=Path, help="folder that `evaluate --report` wrote")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    args = parser.parse_args()
    publish(args.report, args.docs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
