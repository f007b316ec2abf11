"""What the labels of a breast's voxels mean: mixtures by volume, in steps of one tissue in another."""

from __future__ import annotations

from functools import lru_cache

from physsim.spec.material import Material, material

FAT, GLAND, SKIN, MUSCLE, BLOOD, AIR = (
    "breast_adipose_hammerstein", "breast_glandular_hammerstein", "skin_icru46", "muscle_icru44", "blood_icru44", "air")


@lru_cache(maxsize=1)
def breast_materials() -> tuple[Material, ...]:
    """Materials in the order of the kernel's labels: air, gland in fat, skin in fat, skin in air, muscle, blood in fat.

    32 steps of gland, 8 of skin and muscle, 4 of blood.
    """
    from physsim.body.breast import levels

    made = [material(AIR)]
    made += [_mixture(GLAND, FAT, k, levels.GLAND_LEVELS) for k in range(levels.GLAND_LEVELS + 1)]
    made += [_mixture(SKIN, FAT, k, levels.SKIN_LEVELS) for k in range(1, levels.SKIN_LEVELS + 1)]
    made += [_mixture(SKIN, AIR, k, levels.AIR_LEVELS) for k in range(1, levels.AIR_LEVELS)]
    made += [_mixture(MUSCLE, FAT, k, levels.MUSCLE_LEVELS) for k in range(1, levels.MUSCLE_LEVELS + 1)]
    made += [_mixture(BLOOD, FAT, k, levels.BLOOD_LEVELS) for k in range(1, levels.BLOOD_LEVELS + 1)]
    assert len(made) == levels.LABELS
    return tuple(made)


def _mixture(name: str, other: str, k: int, levels: int) -> Material:
    if k in (0, levels):
        return material(other if k == 0 else name)
    return Material.from_volumes([(name, k / levels), (other, 1 - k / levels)], name=f"{name}_{k}_{levels}_in_{other}")
