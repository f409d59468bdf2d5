"""The report's dictionary as markdown tables; nothing is computed here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..train.evaluate import CASES
from .collect import EVERY, PIECE, STAGES
from .summary import NOISY

_METRICS = ("mpjpe", "pa_mpjpe", "mpvpe", "pa_mpvpe", "accel")
_LABEL = {
    "clean": "clean 2D",
    "detector_noise": "detector noise",
    "detector_sequence": "lasting noise",
    "hard_pictures": "hard pictures",
    "network": "network",
    "fit": "with the fit",
}


def tables(report: dict[str, Any]) -> str:
    """Everything between the document's markers, from `headline` to the worst moments."""
    sections = [
        _headline(report),
        _overall(report),
        *(_group(title, rows) for title, rows in report["groups"].items()),
        _joints(report),
        _landmarks(report),
        _seen_and_hidden(report),
        *(_worst_percent(case, report["worst percent"][case]) for case in ("clean", NOISY)),
        _moments(report),
    ]
    return "\n\n".join(sections) + "\n"


def _headline(report: dict[str, Any]) -> str:
    rows = [(_LABEL[case], *(f"{report['headline'][case][name]:.1f}" for name in _METRICS)) for case in CASES]
    return (
        f"### The headline: `{report['weights']}` on `{report['motions']}`\n\n"
        f"Weights with the SHA-256 {report['sha256'][:12]}. All {report['headline_frames']} frames of "
        f"{report['headline_clips']} clips, one still camera per clip; joints of the fitted skeleton, the "
        "network's own vertices, no smoothing. Millimetres, acceleration in mm/frame².\n\n"
    ) + _table(("", "MPJPE", "PA-MPJPE", "MPVPE", "PA-MPVPE", "accel"), rows)


def _overall(report: dict[str, Any]) -> str:
    rows: list[tuple[str, ...]] = []
    for case in CASES:
        for stage in STAGES:
            f = report["overall"][case][stage]
            spread = [_mm(f[m][s]) for m in ("mpjpe", "pa_mpjpe") for s in ("mean", "median", "p90", "p99")]
            more = [_mm(f["mpvpe"]["mean"]), _mm(f["pa_mpvpe"]["mean"]), _mm(f["landmarks"]["mean"])]
            rows.append((f"{_LABEL[case]}, {_LABEL[stage]}", *spread, *more, _mm(f["accel"])))
    for name, f in report["baselines"].items():
        rows.append((f"*{name}*", _mm(f["mpjpe"]), "", "", "", _mm(f["pa_mpjpe"]), *[""] * 7))
    names = ("mean", "median", "p90", "p99")
    head = ["", *(f"MPJPE {n}" for n in names), *(f"PA {n}" for n in names), "MPVPE", "PA-MPVPE"]
    return (
        f"### From {report['views']} views\n\n"
        f"All tables from here on: {report['frames']} frames in {report['views']} pieces of about {PIECE} "
        f"frames (one in {EVERY} of every clip), each piece seen by a camera of its own and with a "
        "body shape of its own. *network*: joints by the coarse mesh's regressor, landmarks as lifted. *With "
        "the fit*: the one skeleton and shape that leave the engine. The rows in italics look at nothing: "
        "the mean of the truth, and the mean pose turned as the person truly stands.\n\n"
    ) + _table((*head, "landmarks", "accel"), rows)


def _group(title: str, rows: dict[str, Any]) -> str:
    cases = [case for case in ("clean", NOISY) if all(case in row for row in rows.values())]
    head = [title, "frames", "clips"]
    body = [
        (name, str(row["frames"]), str(row["clips"]), *_pose_cells(row, cases)) for name, row in rows.items()
    ]
    return f"### By {title}\n\nMPJPE in mm.\n\n" + _table(head + _pose_head(cases), body)


def _pose_head(cases: Sequence[str]) -> list[str]:
    return [title for case in cases for title in (f"{_LABEL[case]}: network", "fit", "fit PA", "fit p90")]


def _pose_cells(row: dict[str, Any], cases: Sequence[str]) -> list[str]:
    """What `_pose_head` names, of a row that holds the cases."""
    cells = []
    for case in cases:
        network, fit = row[case]["network"], row[case]["fit"]
        cells += [
            network["mpjpe"]["mean"],
            fit["mpjpe"]["mean"],
            fit["pa_mpjpe"]["mean"],
            fit["mpjpe"]["p90"],
        ]
    return [_mm(value) for value in cells]


def _joints(report: dict[str, Any]) -> str:
    cases = ("clean", NOISY)
    rows = [(name.replace("_", " "), *_pose_cells(row, cases)) for name, row in report["joints"].items()]
    table = _table(["joint", *_pose_head(cases)], rows)
    return "### By joint\n\nMillimetres; the pelvis is the origin.\n\n" + table


def _landmarks(report: dict[str, Any]) -> str:
    head = ["landmark", "clean 2D: network", "fit", "fit p90", "detector noise: network", "fit", "fit p90"]
    rows = [
        (
            name.replace("_", " "),
            *(
                _mm(value)
                for case in ("clean", NOISY)
                for value in (
                    row[case]["network"]["mean"],
                    row[case]["fit"]["mean"],
                    row[case]["fit"]["p90"],
                )
            ),
        )
        for name, row in report["landmarks"].items()
    ]
    return "### By landmark\n\nThe 33 points, millimetres from the pelvis.\n\n" + _table(head, rows)


def _seen_and_hidden(report: dict[str, Any]) -> str:
    rows = [
        (
            name,
            f"{row['hidden_percent']:.0f} %",
            *(_mm(row[stage][label]) for stage in STAGES for label in ("seen", "hidden")),
        )
        for name, row in report["seen and hidden"].items()
    ]
    head = (
        "joint (both sides)",
        "hidden in",
        "network, seen",
        "network, hidden",
        "fit, seen",
        "fit, hidden",
    )
    return (
        "### Where the detector is sure of a joint, and where it is not\n\n"
        "Detector noise, MPJPE of the joint whose own point is seen or hidden.\n\n"
    ) + _table(head, rows)


def _worst_percent(case: str, worst: dict[str, Any]) -> str:
    rows = [
        (name, f"{row['worst']:.0f} %", f"{row['all']:.0f} %") for name, row in worst["circumstances"].items()
    ]
    actions = sorted(worst["actions"].items(), key=lambda item: -item[1])
    return (
        f"### What the worst percent has in common, {_LABEL[case]}\n\n"
        f"Frames with an MPJPE above {worst['mpjpe_from']:.0f} mm. By action: "
        + ", ".join(f"{name} {share:.0f} %" for name, share in actions)
        + ".\n\n"
    ) + _table(("", "of the worst", "of all"), rows)


def _moments(report: dict[str, Any]) -> str:
    rows = [
        (
            str(m["number"]),
            _LABEL[m["case"]],
            f"{m['clip']} {m['frame']}",
            m["description"],
            m["side"],
            _mm(m["mpjpe"]),
            _mm(m["pa_mpjpe"]),
            f"{m['turned']:.0f}°",
            f"{m['along_percent']:.0f} %",
            str(m["hidden"]),
            f"{m['worst_joint'].replace('_', ' ')} {m['worst_joint_mm']:.0f}",
        )
        for m in report["worst"]
    ]
    head = (
        "",
        "case",
        "clip, frame",
        "what",
        "seen from",
        "MPJPE",
        "PA",
        "body turned",
        "in depth",
        "hidden",
        "worst joint",
    )
    return (
        "### The worst twenty\n\nThe largest MPJPE with the fit, at most two moments of a clip in each case. "
        "*In depth*: share of the squared error along the line of sight.\n\n"
    ) + _table(head, rows)


def _table(head: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _mm(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.1f}"
