// Parts of a volume that are packed and traced one after the other: tiles of columns along one of its axes, or blocks. They take turns
// in the room of two, so that one is packed while the other is traced.
#pragma once
#include <algorithm>
#include <vector>

#include "raytrace/rays.h"

namespace physsim {

// The least edge of as few equal parts as hold `count` voxels at `most` a part.
inline int equal_edge(int count, int most) {
    const int parts = (count + most - 1) / most;
    return (count + parts - 1) / parts;
}

// All columns along axis w; a tile is some of them.
inline ColumnTile columns_along(const Volume& volume, int w) {
    ColumnTile whole = {};
    whole.axis[0] = w == 0 ? 1 : 0, whole.axis[1] = w == 2 ? 1 : 2, whole.axis[2] = w;
    whole.np = volume.shape[whole.axis[0]], whole.nq = volume.shape[whole.axis[1]];
    whole.nw = volume.shape[w], whole.stride = whole.nw + COLUMN_PAD;
    return whole;
}

inline size_t column_floats(const ColumnTile& whole, int wide, int deep) {
    return static_cast<size_t>(wide) * static_cast<size_t>(deep) * static_cast<size_t>(whole.stride) + 2 * COLUMN_PAD;
}

// Where parts of `count` voxels begin, and the end: as few equal ones as hold at most `most` each, but begun at the next multiple of
// `whole`, so that one may have as many as the next multiple above `most` (MAX_TILE_EDGE is a multiple).
inline std::vector<int> part_edges(int count, int most, int whole) {
    const int parts = (count + most - 1) / most;
    std::vector<int> edges = {0};
    for (int i = 1; i < parts; i++) {
        const int edge = static_cast<int>((static_cast<int64_t>(count) * i / parts + whole - 1) / whole) * whole;
        if (edge > edges.back() && edge < count) edges.push_back(edge);
    }
    edges.push_back(count);
    return edges;
}

inline int widest_part(const std::vector<int>& edges) {
    int widest = 0;
    for (size_t i = 1; i < edges.size(); i++) widest = std::max(widest, edges[i] - edges[i - 1]);
    return widest;
}

// Tiles in the room of two; p and q: edges of their parts.
inline std::vector<ColumnTile> column_tiles(const ColumnTile& whole, const std::vector<int>& p, const std::vector<int>& q, float* room) {
    std::vector<ColumnTile> tiles;
    for (size_t i = 1; i < p.size(); i++)
        for (size_t j = 1; j < q.size(); j++) {
            ColumnTile tile = whole;
            tile.p0 = p[i - 1], tile.q0 = q[j - 1], tile.np = p[i] - p[i - 1], tile.nq = q[j] - q[j - 1];
            tile.data = room + (tiles.size() % 2) * column_floats(whole, widest_part(p), widest_part(q));
            tiles.push_back(tile);
        }
    return tiles;
}

// The zeros between the columns of a row, and `beyond` behind the last of all: the room holds nothing yet, or an earlier tile of another
// shape.
inline void clear_between(const ColumnTile& tile, int row, int beyond) {
    for (int i = 0; i < tile.np; i++) {
        float* column = tile.data + (static_cast<int64_t>(row) * tile.np + i) * tile.stride;
        std::fill(column, column + COLUMN_PAD, 0.0f);
        if (i == tile.np - 1 && row == tile.nq - 1) std::fill(column + tile.stride, column + tile.stride + beyond, 0.0f);
    }
}

inline size_t block_floats(const int (&edge)[3]) { return static_cast<size_t>(edge[0] + 2) * (edge[1] + 2) * (edge[2] + 2); }

// Blocks in the room of two; without room they have no voxels yet.
inline std::vector<BlockTile> block_tiles(const Volume& volume, const int (&edge)[3], float* room) {
    std::vector<BlockTile> tiles;
    for (int z = 0; z < volume.shape[2]; z += edge[2])
        for (int y = 0; y < volume.shape[1]; y += edge[1])
            for (int x = 0; x < volume.shape[0]; x += edge[0])
                tiles.push_back({room ? room + (tiles.size() % 2) * block_floats(edge) : nullptr, {x, y, z},
                                 {std::min(edge[0], volume.shape[0] - x), std::min(edge[1], volume.shape[1] - y), std::min(edge[2], volume.shape[2] - z)}});
    return tiles;
}

}  // namespace physsim
