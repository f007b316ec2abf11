// What the spectral tracers are given: how a packed voxel is read, what a ray accumulates, where its sums lie, how a signal
// is made of them. A packed voxel is one 32-bit whole number: the multiple of a quantum nearest to its relative density among
// those whose low `label_bits` hold the number of its material among those present.
#pragma once
#include "core/platform.h"
#include "raytrace/rays.h"

namespace physsim {

struct WordFormat {
    const int32_t* material;  // (labels) number of a label's material among those present
    int32_t label_bits;       // at least 5: a window's index
    bool dithered;            // many labels leave few bits: densities are rounded up or down by the voxel's own hash
    float units;              // of density 1: a power of two; the greatest density has at most 2^30
};

// Channels of a ray: line integrals of basis functions, or the paths through each material when `coefficient` is null.
struct Channels {
    int32_t count, materials, label_bits;
    float quantum;             // density of the word 1
    int32_t padded;            // materials rounded up to 32: length of a row of `coefficient`
    const float* coefficient;  // (count, padded) channel's unit a mm of relative density 1

    PHYSSIM_HD int32_t labels() const { return (1 << label_bits) - 1; }  // mask of the bits that number materials
};
constexpr int LABELS_IN_WINDOW = 32;

// The sums of a view's rays, in groups of 16: `high` rows by `wide` columns. Channel k of group (r, c):
// sums[r * row_step + c * column_step + 16 k + lane], lane = row in the group * wide + column in the group.
struct RayGroups {
    ViewRays rays;
    bool flat;
    int32_t along;  // >= 0: the sums of columns parallel to this volume axis, in their own parameter in place of mm
    double spacing[3];
    int32_t high, wide;
    int64_t row_step, column_step;
    float* sums;
};

// Outputs of a view: signal = factor x sum over energies of weight x 2^-(attenuation . sums), weights linear between nodes.
struct Signal {
    int32_t outputs, columns, nodes, energies;  // columns: 1, or as many as the image's, each with nodes of its own
    const float* attenuation;  // (energies, channels) log2 of the attenuation a unit of each channel
    const float* weights;      // (outputs, columns, nodes, energies)

    PHYSSIM_HD const float* of(int32_t output, int64_t column, int32_t node) const {
        return weights + ((output * static_cast<int64_t>(columns) + (columns > 1 ? column : 0)) * nodes + node) * energies;
    }
};
struct ViewImages {
    float* signal;          // (outputs, rows, columns) or null
    float* areal;           // (materials of the table, rows, columns) or null
    const int32_t* table;   // (materials present) their rows in `areal`
    const float* areal_scale;  // (materials present) areal density of 1 mm at relative density 1 (g/cm2)
    const float* position;  // (rows, columns) place between the nodes, or null
    const float* factor;    // (rows, columns) or null
    int64_t columns;        // of the whole image
    int64_t first_column;   // in it, of the part that the maps point at
};

// First word of a part of a tile, and the bits that differ from it anywhere in the part.
struct PartWords { uint32_t first, differs; };

// Where a tile of columns holds one material: byte b of a column's word is the material of its voxels b * high .. (b + 1) * high - 1
// where they have but one, else MIXED; with OWN_DENSITY where all of them are at the material's own density. Materials from
// OWN_DENSITY - 1 on count as mixed.
struct TileMaterials {
    uint64_t* column;  // (nq, np)
    int32_t high;
};
constexpr uint32_t MIXED = 255, OWN_DENSITY = 128;
constexpr int BLOCKS_IN_COLUMN = 8;

// The word of a voxel of this material at its own density: to the nearest, as words are packed.
PHYSSIM_HD uint32_t own_word(float units, int32_t label_bits, uint32_t material) {
    const uint32_t low = (1u << label_bits) - 1u;
    return ((static_cast<uint32_t>(units) + low / 2u + 1u - material) & ~low) | material;
}

// What is in a layer of the volume: labels met, and whether a density cannot be.
struct Survey {
    uint8_t* present;  // (65536) 1 where a label occurs
    float low, high;   // of the density
    bool finite;
};

}  // namespace physsim
