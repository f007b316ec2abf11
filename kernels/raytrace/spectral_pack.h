// Packs labels and densities of a tile into words; finds tiles of one word; surveys a volume.
#pragma once
#include <string.h>

#include "raytrace/pack.h"
#include "raytrace/spectral.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Words of one line of voxels, in place of their densities. `place` and `step`: the voxels' hash input. Returns which bits
// differ from those of `first` in any voxel.
template <bool DITHERED>
inline uint32_t pack_words(float* line, const float* label, int n, uint32_t place, uint32_t step, const WordFormat& format, uint32_t first) {
    const int32_t low = (1 << format.label_bits) - 1;
    const int32_t* material = format.material;
    const float units = format.units;
    uint32_t differs = 0;
#pragma GCC ivdep
    for (int i = 0; i < n; i++) {
        const int32_t number = material[static_cast<int32_t>(label[i])];
        int32_t up = low / 2 + 1;  // to the nearest
        if (DITHERED) {  // up or down with the odds of the remainder, so that the mean of many voxels is right
            uint32_t hash = place + static_cast<uint32_t>(i) * step;  // C. Wellons, "hash-prospector": lowbias32
            hash = (hash ^ (hash >> 16)) * 0x7feb352du;
            hash = (hash ^ (hash >> 15)) * 0x846ca68bu;
            up = static_cast<int32_t>(hash ^ (hash >> 16)) & low;
        }
        const int32_t above = static_cast<int32_t>(line[i] * units) + up - number;
        const int32_t word = ((above < 0 ? 0 : above) & ~low) | number;
        differs |= static_cast<uint32_t>(word) ^ first;
        memcpy(line + i, &word, 4);
    }
    return differs;
}

constexpr uint32_t VOXEL_PRIME[3] = {0x9e3779b1u, 0x85ebca77u, 0xc2b2ae3du};  // xxHash's odd constants

inline uint32_t pack_line_words(float* line, const float* label, int n, uint32_t place, uint32_t step, const WordFormat& format, PartWords& part, bool begin) {
    if (begin) {
        uint32_t none = 0;
        float one = line[0];
        (format.dithered ? pack_words<true> : pack_words<false>)(&one, label, 1, place, step, format, none);
        memcpy(&part.first, &one, 4);
        part.differs = 0;
    }
    return (format.dithered ? pack_words<true> : pack_words<false>)(line, label, n, place, step, format, part.first);
}

// Row j of a column tile; scratch: (np stride + 2 COLUMN_PAD) floats.
inline PartWords pack_spectral_columns(const Volume& labels, const Volume& density, const WordFormat& format, const ColumnTile& tile, const TileMaterials& materials,
                                       int j, float* scratch) {
    if (density.data) pack(density, tile, j);
    ColumnTile names = tile;
    names.data = scratch, names.nq = 1, names.q0 = tile.q0 + j;
    pack(labels, names, 0);
    const uint32_t low = (1u << format.label_bits) - 1u, step = VOXEL_PRIME[tile.axis[2]];
    PartWords part = {0, 0};
    for (int i = 0; i < tile.np; i++) {
        float* line = tile.data + COLUMN_PAD + (static_cast<int64_t>(j) * tile.np + i) * tile.stride;
        const float* names_of_line = scratch + COLUMN_PAD + static_cast<int64_t>(i) * tile.stride;
        if (!density.data)
            for (int k = 0; k < tile.nw; k++) line[k] = 1.0f;
        const uint32_t place = static_cast<uint32_t>(tile.p0 + i) * VOXEL_PRIME[tile.axis[0]] + static_cast<uint32_t>(tile.q0 + j) * VOXEL_PRIME[tile.axis[1]];
        uint64_t found = ~uint64_t{0};
        for (int b = 0, first = 0; first < tile.nw; b++, first += materials.high) {
            const int n = tile.nw - first < materials.high ? tile.nw - first : materials.high;
            PartWords block = {0, 0};
            block.differs = pack_line_words(line + first, names_of_line + first, n, place + static_cast<uint32_t>(first) * step, step, format, block, true);
            const uint32_t material = block.first & low;
            if ((block.differs & low) == 0 && material < OWN_DENSITY - 1) {
                const uint32_t known = block.differs == 0 && block.first == own_word(format.units, format.label_bits, material) ? material | OWN_DENSITY : material;
                found ^= static_cast<uint64_t>(MIXED ^ known) << (8 * b);
            }
            if (i == 0 && b == 0) part.first = block.first;
            part.differs |= block.differs | (block.first ^ part.first);
        }
        materials.column[j * tile.np + i] = found;
    }
    return part;
}

// Layer k of a block tile; scratch: three layers.
inline PartWords pack_spectral_block(const Volume& labels, const Volume& density, const WordFormat& format, const BlockTile& tile, int k, float* scratch) {
    if (density.data) pack(density, tile, k);
    BlockTile names = tile;
    names.data = scratch, names.shape[2] = 1, names.first[2] = tile.first[2] + k;
    pack(labels, names, 0);
    const int64_t width = tile.shape[0] + 2, layer = width * (tile.shape[1] + 2);
    PartWords part = {0, 0};
    for (int j = 0; j < tile.shape[1]; j++) {
        float* line = tile.data + (k + 1) * layer + (j + 1) * width + 1;
        if (!density.data)
            for (int i = 0; i < tile.shape[0]; i++) line[i] = 1.0f;
        const uint32_t place = static_cast<uint32_t>(tile.first[0]) * VOXEL_PRIME[0] + static_cast<uint32_t>(tile.first[1] + j) * VOXEL_PRIME[1]
            + static_cast<uint32_t>(tile.first[2] + k) * VOXEL_PRIME[2];
        part.differs |= pack_line_words(line, scratch + layer + (j + 1) * width + 1, tile.shape[0], place, VOXEL_PRIME[0], format, part, j == 0);
    }
    return part;
}

template <typename T>
inline void survey_density(const Volume& density, int z, Survey& survey) {
    F low(1e38f), high(-1e38f);
    F nothing(0.0f);  // NaN once a density is
    alignas(64) float line[16];
    for (int y = 0; y < density.shape[1]; y++) {
        const T* in = static_cast<const T*>(density.data) + z * density.stride[2] + y * density.stride[1];
        for (int x = 0; x < density.shape[0]; x += 16) {
            const int n = density.shape[0] - x < 16 ? density.shape[0] - x : 16;
            if (n == 16 && density.stride[0] == 1) {
                convert16(in + x, line);
            } else {
                for (int i = 0; i < 16; i++) line[i] = convert(in + (x + (i < n ? i : 0)) * density.stride[0]);
            }
            const F value = load(line);
            low = minimum(value, low), high = maximum(value, high);
            nothing = multiply_add(value, F(0.0f), nothing);
        }
    }
    store(line, low);
    for (float value : line) survey.low = value < survey.low ? value : survey.low;
    store(line, high);
    for (float value : line) survey.high = value > survey.high ? value : survey.high;
    survey.finite = survey.finite && all(nothing == F(0.0f)) && survey.low > -3e38f && survey.high < 3e38f;
}

template <typename T>
inline void survey_labels(const Volume& labels, int z, Survey& survey) {
    const int64_t corner = z * labels.stride[2];
    T before = static_cast<const T*>(labels.data)[corner];
    survey.present[before] = 1;
    for (int y = 0; y < labels.shape[1]; y++) {
        const T* in = static_cast<const T*>(labels.data) + corner + y * labels.stride[1];
        constexpr int EIGHT_BYTES = 8 / sizeof(T);
        constexpr uint64_t EACH = ~uint64_t{0} / static_cast<T>(~T{0});
        int x = 0;
        if (labels.stride[0] == 1)
            for (uint64_t some; x + EIGHT_BYTES <= labels.shape[0]; x += EIGHT_BYTES) {
                memcpy(&some, in + x, sizeof some);
                if (some == EACH * before) continue;  // mostly: a store a voxel takes longer
                before = in[x + EIGHT_BYTES - 1];
                for (int i = 0; i < EIGHT_BYTES; i++) survey.present[in[x + i]] = 1;
            }
        for (; x < labels.shape[0]; x++) survey.present[in[x * labels.stride[0]]] = 1;
    }
}

inline void survey_layer(const Volume& labels, const Volume& density, int z, Survey& survey) {
    if (labels.type == Voxel::UINT8) survey_labels<uint8_t>(labels, z, survey);
    else survey_labels<uint16_t>(labels, z, survey);
    if (!density.data) return;
    if (density.type == Voxel::FLOAT32) survey_density<float>(density, z, survey);
    else survey_density<Half>(density, z, survey);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
