"""The page of `physsim bench pix2pix`, without torch."""

from __future__ import annotations

from typing import Any

from . import machine


def markdown(result: dict[str, Any]) -> str:
    """The page of one machine."""
    lines = [f"## Scatter by an image-to-image GAN on {result['machine']['cpu']}, {result['settings']['family']}", "",
             machine.line(result["machine"], result["settings"]), ""]  # fmt: skip
    for job in dict.fromkeys(row["job"] for row in result["rows"]):
        lines += [f"### {job}", "", "| estimator | parameters | e_S % | worst subgroup % | worst 1 % of views % "
                  "| bias % | outside % | ms a view | CPU min |", "|---|" + "---:|" * 8]  # fmt: skip
        for row in (one for one in result["rows"] if one["job"] == job):
            shares = [_shown(row[name], 100.0) for name in ("e_s", "worst_subgroup", "worst_views", "bias", "outside")]
            lines.append("| " + " | ".join([row["estimator"], _shown(row["parameters"], 1.0, ",d"), *shares,
                                            _shown(row["ms"]), _shown(row["cpu_minutes"])]) + " |")  # fmt: skip
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _shown(value: float | None, times: float = 1.0, style: str = ".3g") -> str:
    return "-" if value is None else format(value if times == 1.0 else value * times, style)
