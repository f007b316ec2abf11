"""Labels of a breast's voxels: levels of mixtures by volume, organs and what they are made of.

The compiled kernels have the same numbers (kernels/breast/levels.h, job.h).
"""

from __future__ import annotations

ORGANS = ("background", "skin", "adipose tissue", "fibroglandular tissue", "nipple", "ducts", "vessels", "lymph nodes",
          "pectoral muscle", "axillary tissue")  # the last: skin, fat and strands behind the chest wall, in MLO
PARTS = 5  # fat, gland, skin, muscle, blood

GLAND_LEVELS, SKIN_LEVELS, AIR_LEVELS, MUSCLE_LEVELS, BLOOD_LEVELS = 32, 8, 8, 8, 4
AIR_LABEL = 0
FAT_LABEL = 1  # FAT_LABEL + k: k / 32 gland in fat
SKIN_LABEL = FAT_LABEL + GLAND_LEVELS  # SKIN_LABEL + k: k / 8 skin in fat, k = 1..8
EDGE_LABEL = SKIN_LABEL + SKIN_LEVELS  # EDGE_LABEL + k: k / 8 skin in air, k = 1..7
MUSCLE_LABEL = EDGE_LABEL + AIR_LEVELS - 1  # MUSCLE_LABEL + k: k / 8 muscle in fat, k = 1..8
BLOOD_LABEL = MUSCLE_LABEL + MUSCLE_LEVELS  # BLOOD_LABEL + k: k / 4 blood in fat, k = 1..4
LABELS = BLOOD_LABEL + BLOOD_LEVELS + 1
