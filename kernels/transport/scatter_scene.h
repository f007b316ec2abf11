// What the histories of scatter images read: the phantom's own voxels for the ways to collisions and for what is hit, the cells of
// basis densities for the many rays from there to the targets.
#pragma once
#include "transport/basis_voxels.h"
#include "transport/scatter_collision.h"
#include "transport/single_scatter.h"

namespace physsim {

struct FineVoxels {
    int32_t shape[3];           // voxels along x, y, z
    float voxels_per_cm[3];
    const void* labels;         // uint8 or uint16, (z, y, x): materials of the photon tables
    int32_t label_bytes;
    const void* density;        // relative, float16 or float32, or null: 1 everywhere
    int32_t density_bytes;
    const float* material_density;  // g/cm3
    const float* coefficient;       // (materials, MOST_BASIS): attenuation per g/cm3 = sum over k of coefficient_k x the basis function f_k
    float size_cm[3];
    float steps_per_cm;             // of the midpoint rule
};

// What a collision at a place is worth to the nodes together, up to a factor: physsim/transport/scatter_importance.py. Any positive values
// leave the mean unchanged. Cells of their own, with a border.
struct ImportanceMap {
    const float* value;  // (z + 2, y + 2, x + 2), all positive; null: none
    int32_t shape[3];    // without the border
    float cells_per_cm[3];
    float expected;      // worth of the next collision that photons keep: roulette below, splitting above; 0: that of each history's first one
};

struct ScatterScene {
    FineVoxels fine;
    BasisVoxels cells;
    PhotonTables tables;
    ScatterSource source;
    NodeTargets targets;
    float cutoff_kev;
    ImportanceMap importance;
};

}  // namespace physsim
