// Where photons travel: labelled voxels in a box, a uniform ambient medium around it, and the majorants of coarse cells.
//
// Lengths in cm from the low corner of the voxels, along their axes x, y, z. Cells of cell_voxels voxels cover the voxels; one more
// cell on each side of each axis is the ambient medium, out to the world's faces. A voxel's label names its material, its own
// density and the region that its energy is tallied in.
#pragma once
#include "core/lanes.h"

namespace physsim {

struct Medium {
    int32_t material;   // of the photon tables
    int32_t region;     // of the tallies
    float density;      // g/cm3
};

struct MonteCarloScene {
    int32_t shape[3];           // voxels along x, y, z
    float voxel_cm[3], voxels_per_cm[3], size_cm[3];
    const void* labels;         // uint8 or uint16, (z, y, x)
    int32_t label_bytes;
    const void* density;        // relative, float16 or float32, or null: 1 everywhere
    int32_t density_bytes;
    const Medium* media;        // by label; the last one is the ambient medium
    int32_t ambient;            // its number
    int32_t cells[3], cell_voxels[3];
    float cell_cm[3], cells_per_cm[3];
    float world_low[3], world_high[3];
    const uint16_t* cell_class;  // (cells z + 2, y + 2, x + 2): row of `majorant`
    const int32_t* cell_label;   // same shape: the label of all voxels in the cell, at relative density 1; -1: look at the voxel
    const float* majorant;       // (classes, energy bins): 1/cm, no smaller than any attenuation in the cell
    int32_t energy_bins;
};

namespace PHYSSIM_ISA {

PHYSSIM_HD int64_t cell_number(const MonteCarloScene& scene, const int (&cell)[3]) {
    return (static_cast<int64_t>(cell[2]) * (scene.cells[1] + 2) + cell[1]) * (scene.cells[0] + 2) + cell[0];
}

// Lower and upper face of cell c along an axis; cell 0 and the last are ambient.
PHYSSIM_HD float cell_face(const MonteCarloScene& scene, int axis, int c, bool upper) {
    const int edge = upper ? c : c - 1;  // number of cells below the face
    if (edge < 0) return scene.world_low[axis];
    if (edge > scene.cells[axis]) return scene.world_high[axis];
    return minimum(static_cast<float>(edge) * scene.cell_cm[axis], scene.size_cm[axis]);
}

PHYSSIM_HD int cell_at(const MonteCarloScene& scene, int axis, float x) {
    if (x < 0.0f) return 0;
    if (x >= scene.size_cm[axis]) return scene.cells[axis] + 1;
    return minimum(static_cast<int>(x * scene.cells_per_cm[axis]), scene.cells[axis] - 1) + 1;
}

// The voxel at coordinate x of an axis, held within its cell: rounding never leads to a medium above the cell's majorant.
PHYSSIM_HD int voxel_at(const MonteCarloScene& scene, int axis, int cell, float x) {
    const int first = (cell - 1) * scene.cell_voxels[axis];
    const int last = minimum(first + scene.cell_voxels[axis], scene.shape[axis]) - 1;
    return maximum(first, minimum(last, static_cast<int>(x * scene.voxels_per_cm[axis])));
}

PHYSSIM_HD int64_t voxel_number(const MonteCarloScene& scene, int x, int y, int z) {
    return (static_cast<int64_t>(z) * scene.shape[1] + y) * scene.shape[0] + x;
}

PHYSSIM_HD int label_of(const MonteCarloScene& scene, int64_t voxel) {
    return scene.label_bytes == 1 ? load_read_only(static_cast<const uint8_t*>(scene.labels) + voxel)
                                  : load_read_only(static_cast<const uint16_t*>(scene.labels) + voxel);
}

PHYSSIM_HD float relative_density(const MonteCarloScene& scene, int64_t voxel) {
    if (!scene.density) return 1.0f;
    return scene.density_bytes == 2 ? from_half(load_read_only(static_cast<const uint16_t*>(scene.density) + voxel))
                                    : load_read_only(static_cast<const float*>(scene.density) + voxel);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
