"""A page of `physsim bench phantom`: seconds of phantoms and meshes."""

from __future__ import annotations

from typing import Any

from .machine import line

COLUMNS = (("job", ""), ("code", ""), ("seconds", ".3g"), ("millions", ".3g"), ("ms_per_million", ".3g"),
           ("volume_error", ".1e"), ("peak_mb", ".0f"))  # fmt: skip
HEADER = ("job", "code", "s", "M voxels or rays", "ms/M", "volume error", "peak MB so far")
FIGURES = {
    "trunk_1mm_seconds": "thorax and abdomen of a man at 1 mm, s",
    "trunk_2mm_seconds": "the same at 2 mm, s",
    "mesh_voxels_over_trimesh": "mesh into 256^3: times faster than trimesh",
    "mesh_voxels_volume_error": "mesh into 256^3: error of the volume",
    "mesh_tracing_seconds": "512^2 rays through 79,000 triangles, tree included, s",
    "mesh_tracing_over_gvxr_read": "the same: times faster than gVXR's 0.172 s (read)",
}


def markdown(result: dict[str, Any]) -> str:
    """The page of one machine."""
    lines = [f"## Phantoms on {result['machine']['cpu']}, {result['settings']['threads']} threads", "",
             line(result["machine"], result["settings"]), "",
             "| " + " | ".join(HEADER) + " |", "|---|---" + "|---:" * 5 + "|"]  # fmt: skip
    for row in result["rows"]:
        cells = ["-" if row[key] is None else format(row[key], style) for key, style in COLUMNS]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| figure | value |", "|---|---:|"]
    for name, title in FIGURES.items():
        value = result["figures"].get(name)
        lines.append(f"| {title} | {'-' if value is None else format(value, '.3g')} |")
    lines += ["", *(f"- {name}: {reason}" for name, reason in result["notes"].items())]
    return "\n".join(lines).rstrip() + "\n"
