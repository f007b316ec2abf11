// Copies a tile of the volume into the cache in the layout that the tracers read, converting to float on the way.
#pragma once
#include "core/lanes.h"
#include "raytrace/rays.h"

namespace physsim {
namespace PHYSSIM_ISA {

PHYSSIM_HD void convert16(const float* in, float* out) { store(out, load(in)); }
PHYSSIM_HD void convert16(const uint8_t* in, float* out) { for (int i = 0; i < 16; i++) out[i] = static_cast<float>(in[i]); }
PHYSSIM_HD void convert16(const int16_t* in, float* out) { for (int i = 0; i < 16; i++) out[i] = static_cast<float>(in[i]); }
struct Half { uint16_t word; };
struct Word { uint16_t value; };
PHYSSIM_HD void convert16(const Half* in, float* out) { store(out, load(&in->word)); }
PHYSSIM_HD void convert16(const Word* in, float* out) { for (int i = 0; i < 16; i++) out[i] = static_cast<float>(in[i].value); }

template <typename T>
PHYSSIM_HD float convert(const T* in) {
    T sixteen[16] = {*in};
    float out[16];
    convert16(sixteen, out);
    return out[0];
}

// Line of n voxels, any stride, to contiguous floats.
template <typename T>
inline void pack_line(const T* in, int64_t stride, int n, float* out) {
    int k = 0;
    if (stride == 1)
        for (; k + 16 <= n; k += 16) convert16(in + k, out + k);
    for (; k < n; k++) out[k] = convert(in + k * stride);
}

// 16 voxels along w of up to 16 columns, from lines that are contiguous across the columns and `stride` apart along them.
template <typename T>
inline void pack_square(const T* in, int64_t stride, int columns, int deep, float* out, int64_t next) {
    alignas(64) float lines[16 * 16], turned[16 * 16];
    for (int line = 0; line < deep; line++) {
        const T* from = in + line * stride;
        if (columns == 16) {
            convert16(from, lines + 16 * line);
        } else {
            T some[16] = {};
            for (int c = 0; c < columns; c++) some[c] = from[c];
            convert16(some, lines + 16 * line);
        }
    }
    if (columns == 16 && deep == 16) {
        transpose<false>(out, next, lines, 16);
    } else {
        transpose<false>(turned, 16, lines, 16);
        for (int c = 0; c < columns; c++)
            for (int d = 0; d < deep; d++) out[c * next + d] = turned[16 * c + d];
    }
}

// Row j (along q) of a column tile.
template <typename T>
inline void pack_columns(const Volume& volume, const ColumnTile& tile, int j) {
    const int64_t sp = volume.stride[tile.axis[0]], sq = volume.stride[tile.axis[1]], sw = volume.stride[tile.axis[2]];
    const T* in = static_cast<const T*>(volume.data) + tile.p0 * sp + (tile.q0 + j) * sq;
    const int64_t next = tile.stride;
    float* out = tile.data + COLUMN_PAD + static_cast<int64_t>(j) * tile.np * next;
    if (sp == 1) {  // lines along p are contiguous: transpose 16 x 16
        for (int k = 0; k < tile.nw; k += 16) {  // one layer's lines together: they share a page
            for (int line = k + 16; line < k + 32 && line < tile.nw; line++)  // too far apart for the hardware to guess
                for (int i = 0; i < tile.np; i += 16) __builtin_prefetch(in + i + line * sw);
            for (int column = 0; column < tile.np; column += 16) {
                const int i = column > tile.np - 16 && tile.np >= 16 ? tile.np - 16 : column;  // the last ones once more: whole squares are quick
                pack_square(in + i + k * sw, sw, tile.np - i < 16 ? tile.np - i : 16, tile.nw - k < 16 ? tile.nw - k : 16, out + i * next + k, next);
            }
        }
        return;
    }
    for (int i = 0; i < tile.np; i++) pack_line(in + i * sp, sw, tile.nw, out + i * next);
}

// Layer k (along z) of a block tile.
template <typename T>
inline void pack_block(const Volume& volume, const BlockTile& tile, int k) {
    const int64_t line = tile.shape[0] + 2, layer = line * (tile.shape[1] + 2);
    float* out = tile.data + (k + 1) * layer + line + 1;
    for (int j = 0; j < tile.shape[1]; j++)
        pack_line(static_cast<const T*>(volume.data) + tile.first[0] * volume.stride[0] + (tile.first[1] + j) * volume.stride[1]
                      + (tile.first[2] + k) * volume.stride[2],
                  volume.stride[0], tile.shape[0], out + j * line);
}

template <typename Tile>
inline void pack_any(const Volume& volume, const Tile& tile, int index, void (*const (&packers)[5])(const Volume&, const Tile&, int)) {
    packers[static_cast<int>(volume.type)](volume, tile, index);
}

inline void pack(const Volume& volume, const ColumnTile& tile, int j) {
    pack_any(volume, tile, j, {pack_columns<float>, pack_columns<Half>, pack_columns<uint8_t>, pack_columns<Word>, pack_columns<int16_t>});
}

inline void pack(const Volume& volume, const BlockTile& tile, int k) {
    pack_any(volume, tile, k, {pack_block<float>, pack_block<Half>, pack_block<uint8_t>, pack_block<Word>, pack_block<int16_t>});
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
