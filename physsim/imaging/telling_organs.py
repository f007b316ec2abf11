"""Which part of the body voxels are of that do not say it: by the names of their organs."""

from __future__ import annotations

from physsim.phantom.phantom import Phantom

# What names of organs hold, of imported labels and of scenes, by region of the body
_TELLING = {"head": ("brain", "cerebr", "skull", "cranium", "mandible"),
            "chest": ("lung", "lobe", "heart", "rib", "clavicle", "scapula"),
            "abdomen": ("liver", "kidney", "spleen", "stomach", "pancreas"),
            "pelvis": ("ilium", "hip", "pelvi", "sacrum", "bladder")}
_ENOUGH = 3  # kinds of organs that make a body: test objects have inserts of lung, bone or liver


def other_parts(phantom: Phantom, wanted: str) -> tuple[str, ...]:
    """Regions that the phantom's organs are of, where none of them is of `wanted` and there are organs enough to tell.

    >>> import physsim as ps
    >>> other_parts(ps.voxelise(ps.scene("thorax"), spacing_mm=20), "head")
    ('chest', 'abdomen')
    """
    names = [one.name.lower() for one in phantom.truth.organs if one.volume_mm3 > 0.0]
    found = {region: [word for word in words if any(word in name for name in names)]
             for region, words in _TELLING.items()}
    if found[wanted] or sum(len(words) for words in found.values()) < _ENOUGH:
        return ()
    return tuple(region for region, words in found.items() if words)
