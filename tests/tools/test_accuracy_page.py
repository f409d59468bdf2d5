"""A report goes between the page's marks, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.accuracy_page import BEGIN, END, PICTURES, publish, replaced

ROOT = Path(__file__).parents[2]


def test_only_what_is_between_the_marks_changes(tmp_path: Path) -> None:
    report, docs = tmp_path / "report", tmp_path / "docs"
    report.mkdir()
    (docs / "images").mkdir(parents=True)
    (report / "report.md").write_text("| new |\n")
    for name in PICTURES:
        (report / name).write_bytes(name.encode())
    (docs / "accuracy.md").write_text(f"# Title\n\n{BEGIN}\n| old |\n{END}\n\nAfter.\n")
    publish(report, docs)
    page = (docs / "accuracy.md").read_text()
    assert page == f"# Title\n\n{BEGIN}\n\n| new |\n\n{END}\n\nAfter.\n"
    assert (docs / "images" / "accuracy-worst-clean.jpg").read_bytes() == b"worst-clean.jpg"
    publish(report, docs)
    assert (docs / "accuracy.md").read_text() == page


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="report: begin"):
        replaced(f"{END} {BEGIN}", "tables")


def test_our_page_has_the_marks() -> None:
    assert "new" in replaced((ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8"), "new")
