// What a breast is painted from and into (physsim.body.breast.painter): lengths in mm, arrays in C order.
#pragma once
#include "core/platform.h"

namespace physsim {

constexpr int BREAST_SAMPLES = 2048;  // that a brick can hold
constexpr int BREAST_COLUMNS = 256;   // that a brick can hold, in whole lanes
constexpr int BREAST_SEGMENTS = 256;  // of ducts and vessels that a brick can meet
constexpr int BREAST_CELLS = 1024;    // candidate cells of a brick: their numbers are the low 10 bits of a key
constexpr int BREAST_CHANNELS = 7;    // of fields on nodes: u, v, w, glandularity, ligament, mottle, haze

// Organs, in the order of their labels, and what they are made of.
struct BreastOrgan {
    enum : int32_t { BACKGROUND, SKIN, FAT, GLAND, NIPPLE, DUCTS, VESSELS, NODES, PECTORAL, ARMPIT, COUNT };
};
struct BreastPart {
    enum : int32_t { FAT, GLAND, SKIN, MUSCLE, BLOOD, COUNT };
};

// Numbers of the recipe (phantoms/anatomy/breast/classes.toml) and of the view.
struct BreastRecipe {
    float half, nipple_x, nipple_y, nipple_radius, height, skin, threshold, blur;
    float fill[2], walls[2], share[2], spread, offset, loose, texture, grain, strand;
    bool dome;
};

// Jittered points of a pitch: seeds (z, y, x, 4): u, v, w and weight / pitch^2; names: random words.
struct BreastCells {
    float pitch;
    int32_t first[3], shape[3];  // first u, v, w; shape z, y, x
    const float* seeds;
    const uint32_t* names;
};

// Labels of slices [begin, end) are (slices, ny, nx) bytes; organs likewise or null. A voxel is part^3 samples, a brick
// brick[] voxels (z, y, x). carry (ny, nx): what rounding left over of each column. volumes (strips, organs, parts): in
// samples. bins: of each tile of columns (a brick's x and y) the segments near it.
struct BreastJob {
    BreastRecipe recipe;
    BreastCells cells[2];
    const float *depth, *wall, *nodes, *tile, *segments, *ellipsoids;
    const int64_t *bin_first, *bin_members;
    int32_t depth_shape[2], node_shape[3], ellipsoids_count;  // y, x; y, x, z
    float depth_origin[2], depth_step, node_origin[3], node_step[2];  // x, y; x, y, z; across and along the beam
    float spacing, y0;
    int32_t part, brick[3], begin, end, ny, nx;
    bool mirror;
    float* carry;
    uint8_t *labels, *organs;
    double* volumes;
};

}  // namespace physsim
