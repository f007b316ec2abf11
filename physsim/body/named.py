"""A phantom by the name or file that a user gives: scenes, bodies declared as data, files."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

from physsim.body.body import Body
from physsim.body.voxelise import voxelise_body
from physsim.errors import InvalidInput, did_you_mean, message
from physsim.phantom.library import scene, scene_names
from physsim.phantom.phantom import Phantom
from physsim.phantom.voxelise import voxelise
from physsim.resources import phantoms_path

_BODY_SPACING_MM = 4.0  # of a look at a body


@cache
def body_titles() -> dict[str, str]:
    """Names and titles of the shipped bodies: the files of phantoms/anatomy that put others together."""
    found = {}
    for path in sorted((phantoms_path() / "anatomy").glob("*.toml")):
        declared = tomllib.loads(path.read_text(encoding="utf-8"))
        if declared.get("include"):
            found[path.stem] = str(declared.get("title", ""))
    return found


def body_names() -> tuple[str, ...]:
    """Names of the shipped bodies."""
    return tuple(body_titles())


def named_body(name: str, seed: int = 0) -> Body:
    """A shipped body by name, or one of a TOML file. Raises InvalidInput for an unknown name or file."""
    if not name.endswith(".toml") and name not in body_names():
        known = did_you_mean(name, body_names())
        raise InvalidInput(message(f"body {name!r}", "none of that name is shipped", known))
    return Body.load(name, seed=seed)


def named_phantom(
    name: str, spacing_mm: float | None = None, seed: int = 0, vanishing: Literal["error", "keep"] = "keep"
) -> Phantom:
    """A phantom from its file; a scene of the library or of a file ending in .scene.toml, or a shipped body, voxelised.

    `spacing_mm`: of scenes (default: their own) and bodies (default 4 mm); `seed`, `vanishing`: of bodies.
    """
    if name in body_names():
        return voxelise_body(named_body(name, seed), spacing_mm or _BODY_SPACING_MM, vanishing=vanishing, name=name)
    if seed:
        raise InvalidInput(message(f"seed={seed}", f"{name} is no body: nothing of it is drawn", "Leave it out."))
    if name.endswith(".scene.toml") or name in scene_names():
        return voxelise(scene(name), spacing_mm)
    if not Path(name).suffix:
        known = did_you_mean(name, (*scene_names(), *body_names()))
        raise InvalidInput(message(f"phantom {name!r}", "no scene and no body of that name, and no file", known))
    if spacing_mm is not None:
        raise InvalidInput(message(f"--voxel {spacing_mm}", "a file has voxels of its own", "Leave it out."))
    return Phantom.load(name)
