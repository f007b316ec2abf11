// Adds a tile that the adjoint filled to the volume (float32): what pack.h does, backwards.
#pragma once
#include "core/lanes.h"
#include "raytrace/columns_adjoint.h"
#include "raytrace/rays.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Row j (along q) of a column tile that holds groups [from, to) of 15 voxels. The tile may reach beyond the volume along p.
inline void unpack_columns(const ColumnTile& tile, int from, int to, int j, const Volume& volume) {
    const int64_t sp = volume.stride[tile.axis[0]], sq = volume.stride[tile.axis[1]], sw = volume.stride[tile.axis[2]];
    float* out = static_cast<float*>(const_cast<void*>(volume.data)) + tile.p0 * sp + (tile.q0 + j) * sq;
    const float* in = tile.data + COLUMN_PAD + static_cast<int64_t>(j) * tile.np * tile.stride;
    const int64_t next = tile.stride;
    alignas(64) float lines[16 * 16];
    const int left = volume.shape[tile.axis[0]] - tile.p0, count = left < tile.np ? left : tile.np;
    for (int i = 0; i < count; i += 16) {
        const int wide = count - i < 16 ? count - i : 16;
        for (int g = from; g < to; g++) {
            const int k0 = g * GROUP_VOXELS, high = tile.nw - k0 < GROUP_VOXELS ? tile.nw - k0 : GROUP_VOXELS;
            const float* group = in + i * next + 16 * (g - from);
            if (wide == 16) {
                transpose<false>(lines, 16, group, next);
            } else {
                for (int c = 0; c < wide; c++)
                    for (int k = 0; k < 16; k++) lines[16 * k + c] = group[c * next + k];
            }
            for (int k = 0; k < high; k++) {
                float* row = out + i * sp + (k0 + k) * sw;
                if (wide == 16 && sp == 1) {
                    store(row, load(row) + load(lines + 16 * k));
                } else {
                    for (int c = 0; c < wide; c++) row[c * sp] += lines[16 * k + c];
                }
            }
        }
    }
}

// Layer k (along z) of a block.
inline void unpack_block(const BlockTile& block, int k, const Volume& volume) {
    const int64_t line = block.shape[0] + 2, layer = line * (block.shape[1] + 2);
    const float* in = block.data + (k + 1) * layer + line + 1;
    float* out = static_cast<float*>(const_cast<void*>(volume.data)) + block.first[0] * volume.stride[0]
        + block.first[1] * volume.stride[1] + (block.first[2] + k) * volume.stride[2];
    for (int j = 0; j < block.shape[1]; j++)
        for (int i = 0; i < block.shape[0]; i++) out[j * volume.stride[1] + i * volume.stride[0]] += in[j * line + i];
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
