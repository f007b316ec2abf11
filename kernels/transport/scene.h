// Where photons travel: labelled voxels in a box, a uniform ambient medium around it, and the majorants of coarse cells.
//
// Lengths in cm from the low corner of the voxels, along their axes x, y, z. Cells of cell_voxels voxels cover the voxels; one more
// cell on each side of each axis is the ambient medium, out to the world's faces. A voxel's label names its material, its own
// density and the region that its energy is tallied in. Where a finer patch lies, its voxels are met in place of the scene's own.
#pragma once
#include "core/lanes.h"

namespace physsim {

// How far within its cell a place is looked up in patches, and how far a patch's voxel must reach into a cell to be met there: the
// difference holds the rounding of places and faces, so that no voxel is met whose attenuation the cell's majorant does not know.
constexpr float PATCH_INSET_CM = 1e-4f, PATCH_REACH_CM = 0.5e-4f;

// Finer voxels over the scene's own, along axes of their own; their labels and densities stand behind the scene's.
struct Patch {
    float corner_cm[3];           // low corner of its first voxel
    float voxels_per_cm[3][3];    // its voxels along its x, y, z in a cm along each axis of the scene
    int32_t shape[3];
    int32_t first[2];             // number of its first voxel: lower, upper 32 bits
};

struct Medium {
    int32_t material;   // of the photon tables
    int32_t region;     // of the tallies
    float density;      // g/cm3
};

struct MonteCarloScene {
    int32_t shape[3];           // voxels along x, y, z
    float voxel_cm[3], voxels_per_cm[3], size_cm[3];
    const void* labels;         // uint8 or uint16, (z, y, x), then those of the patches
    int32_t label_bytes;
    const void* density;        // relative, float16 or float32, or null: 1 everywhere
    int32_t density_bytes;
    const Medium* media;        // by label; the last one is the ambient medium
    int32_t ambient;            // its number
    int32_t cells[3], cell_voxels[3];
    float cell_cm[3], cells_per_cm[3];
    float world_low[3], world_high[3];
    const int32_t* cell_class;   // (cells z + 2, y + 2, x + 2): row of `majorant`
    const int32_t* cell_label;   // same shape: the label of all voxels in the cell, where they have one density; -1: look at the voxel;
                                 // -2 - n: look into patches first, those of the list from patch_lists[n] on
    const float* cell_density;   // same shape: that relative density
    const float* majorant;       // (classes, energy bins): 1/cm, no smaller than any attenuation in the cell
    int32_t energy_bins;
    const Patch* patches;        // null: none
    const int32_t* patch_lists;  // numbers of patches, -1 at the end of each list
    int32_t patch_count;
};

namespace PHYSSIM_ISA {

PHYSSIM_HD I cell_number(const MonteCarloScene& scene, const I (&cell)[3]) {
    return (cell[2] * I(scene.cells[1] + 2) + cell[1]) * I(scene.cells[0] + 2) + cell[0];
}

// First and last cell of an axis that photons can be in: the ambient cells count where the world is larger than the voxels.
PHYSSIM_HD int32_t first_cell(const MonteCarloScene& scene, int axis) { return scene.world_low[axis] < 0.0f ? 0 : 1; }
PHYSSIM_HD int32_t last_cell(const MonteCarloScene& scene, int axis) {
    return scene.world_high[axis] > scene.size_cm[axis] ? scene.cells[axis] + 1 : scene.cells[axis];
}

// The face of a cell along an axis: the upper one where `upper`. Cell 0 and the last are ambient.
PHYSSIM_HD F cell_face(const MonteCarloScene& scene, int axis, I cell, M upper) {
    const I edge = select(upper, cell, cell - I(1));  // number of cells below the face
    const F inner = minimum(to_float(edge) * F(scene.cell_cm[axis]), F(scene.size_cm[axis]));
    return select(edge < I(0), F(scene.world_low[axis]), select(I(scene.cells[axis]) < edge, F(scene.world_high[axis]), inner));
}

PHYSSIM_HD I cell_at(const MonteCarloScene& scene, int axis, F x) {
    const I inner = maximum(I(0), minimum(truncate(x * F(scene.cells_per_cm[axis])), I(scene.cells[axis] - 1))) + I(1);
    const I cell = select(x < F(0.0f), I(0), select(x < F(scene.size_cm[axis]), inner, I(scene.cells[axis] + 1)));
    return maximum(I(first_cell(scene, axis)), minimum(I(last_cell(scene, axis)), cell));
}

// The voxel at coordinate x of an axis, held within its cell: rounding never leads to a medium above the cell's majorant.
PHYSSIM_HD I voxel_at(const MonteCarloScene& scene, int axis, I cell, F x) {
    const I first = (cell - I(1)) * I(scene.cell_voxels[axis]);
    const I last = minimum(first + I(scene.cell_voxels[axis]), I(scene.shape[axis])) - I(1);
    return maximum(first, minimum(last, truncate(x * F(scene.voxels_per_cm[axis]))));
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

// Calls visit(lane, voxel number) for the lanes of m, whose cells lie within the voxels.
template <class Visit>
PHYSSIM_HD void visit_voxels(const MonteCarloScene& scene, M m, const I (&cell)[3], F x, F y, F z, Visit visit) {
    alignas(64) int32_t i[LANES], j[LANES], k[LANES];
    store(i, voxel_at(scene, 0, cell[0], x));
    store(j, voxel_at(scene, 1, cell[1], y));
    store(k, voxel_at(scene, 2, cell[2], z));
    for (unsigned left = bits(m); left; left &= left - 1) {
        const int lane = lowest_lane(left);
        visit(lane, voxel_number(scene, i[lane], j[lane], k[lane]));
    }
}

// What is at a place: its label, and the density relative to the label's own.
struct Matter { I label; F density; };

// What must be read for it: nothing where all of the cell is the same, else the voxel.
struct MatterAhead {
    Matter of_cell;
    M mixed;
    int64_t voxel[LANES];
};

// The voxels of patches, where places of the lanes lie in one, into `voxel`.
PHYSSIM_HD_RARE void find_in_patches(const MonteCarloScene& scene, unsigned lanes, const I (&cell)[3], const I& label, const F (&at)[3], int64_t* voxel) {
    alignas(64) float place[3][LANES];
    alignas(64) int32_t list[LANES];
    const F inset(PATCH_INSET_CM);
    PHYSSIM_UNROLL
    for (int a = 0; a < 3; a++) {
        const F low = cell_face(scene, a, cell[a], first_lanes(0)) + inset, high = cell_face(scene, a, cell[a], first_lanes(LANES)) - inset;
        store(place[a], maximum(low, minimum(high, at[a])));
    }
    store(list, I(-2) - label);
    for (unsigned left = lanes; left; left &= left - 1) {
        const int lane = lowest_lane(left);
        for (const int32_t* number = scene.patch_lists + list[lane]; *number >= 0; number++) {
            const Patch& patch = scene.patches[*number];
            float along[3];
            bool inside = true;
            PHYSSIM_UNROLL
            for (int a = 0; a < 3; a++) {
                along[a] = patch.voxels_per_cm[a][0] * (place[0][lane] - patch.corner_cm[0]) + patch.voxels_per_cm[a][1] * (place[1][lane] - patch.corner_cm[1]) +
                           patch.voxels_per_cm[a][2] * (place[2][lane] - patch.corner_cm[2]);
                inside = inside && along[a] >= 0.0f && along[a] < static_cast<float>(patch.shape[a]);
            }
            if (!inside) continue;
            const int64_t first = static_cast<int64_t>(patch.first[1]) << 32 | static_cast<uint32_t>(patch.first[0]);
            const int64_t row = static_cast<int64_t>(along[2]) * patch.shape[1] + static_cast<int64_t>(along[1]);
            voxel[lane] = first + row * patch.shape[0] + static_cast<int64_t>(along[0]);
            break;
        }
    }
}

PHYSSIM_HD void look_ahead(const MonteCarloScene& scene, M m, const I (&cell)[3], F x, F y, F z, MatterAhead& ahead) {
    const I number = cell_number(scene, cell), label = gather(scene.cell_label, number);
    ahead.of_cell = {maximum(label, I(0)), gather(scene.cell_density, number)};
    ahead.mixed = m & (label < I(0));
    if (!any(ahead.mixed)) return;
    const M patched = ahead.mixed & (label < I(-1));
    visit_voxels(scene, ahead.mixed, cell, x, y, z, [&](int lane, int64_t voxel) {
        ahead.voxel[lane] = voxel;
        prefetch(static_cast<const char*>(scene.labels) + voxel * scene.label_bytes);
        if (scene.density) prefetch(static_cast<const char*>(scene.density) + voxel * scene.density_bytes);
    });
    if (!any(patched)) return;
    const F at[3] = {x, y, z};
    const I lists = label;
    find_in_patches(scene, bits(patched), cell, lists, at, ahead.voxel);
}

PHYSSIM_HD Matter read(const MonteCarloScene& scene, const MatterAhead& ahead) {
    if (!any(ahead.mixed)) return ahead.of_cell;
    alignas(64) int32_t label[LANES];
    alignas(64) float density[LANES];
    store(label, ahead.of_cell.label);
    store(density, ahead.of_cell.density);
    for (unsigned left = bits(ahead.mixed); left; left &= left - 1) {
        const int lane = lowest_lane(left);
        label[lane] = label_of(scene, ahead.voxel[lane]);
        density[lane] = relative_density(scene, ahead.voxel[lane]);
    }
    return {load(label), load(density)};
}

// Values of the media by label.
PHYSSIM_HD I material_of(const MonteCarloScene& scene, I label) { return gather(&scene.media->material, label * I(3)); }
PHYSSIM_HD I region_of(const MonteCarloScene& scene, I label) { return gather(&scene.media->region, label * I(3)); }
PHYSSIM_HD F own_density(const MonteCarloScene& scene, I label) { return gather(&scene.media->density, label * I(3)); }

}  // namespace PHYSSIM_ISA
}  // namespace physsim
