"""The phantom library: scenes by name, from phantoms/calibration and the demonstration thorax."""

from __future__ import annotations

from pathlib import Path

from physsim.errors import InvalidInput, did_you_mean, message
from physsim.phantom.scene import Scene
from physsim.resources import phantoms_path

THORAX = "thorax"


def scene_names() -> tuple[str, ...]:
    """Names of all scenes of the library, sorted."""
    return tuple(sorted([THORAX, *(path.stem for path in (phantoms_path() / "calibration").glob("*.toml"))]))


def scene(name: str | Path) -> Scene:
    """A scene by its name in the library, or from a TOML file (a Path, or a name ending in .toml).

    Raises InvalidInput for an unknown name or a file that is not there, or unknown keys, shapes or materials.

    >>> import physsim as ps
    >>> ps.scene("water_20cm").organs()
    ('water',)
    """
    if isinstance(name, Path) or name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise InvalidInput(message(str(path), "no such file", "Give the path of a scene in TOML."))
        return Scene.from_toml(path)
    if name == THORAX:
        from physsim.phantom.thorax import default_lesion, thorax_scene

        return thorax_scene().with_shapes(default_lesion())
    if name not in scene_names():
        raise InvalidInput(
            message(f"scene {name!r}", "the library has none of that name", did_you_mean(name, scene_names()))
        )
    return Scene.from_toml(phantoms_path() / "calibration" / f"{name}.toml")
