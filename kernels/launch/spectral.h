// Spectral projection on the CPU: views in batches whose sums fit SUMS_BYTES; for each batch every tile is packed once and
// traced, then the rays are finished into images. Sums are added in the order of the tiles: same bits for any thread count.
#pragma once
#include <algorithm>
#include <functional>
#include <vector>

#include "launch/project.h"
#include "launch/table.h"
#include "launch/team.h"

namespace physsim {

// Bound on the sums of a batch; one group-column of one view may exceed it.
constexpr size_t SUMS_BYTES = size_t{256} << 20;

// A view or some columns of it.
struct SpectralView {
    RayGroups groups;
    ViewImages images;
    int32_t view, first_column;
    int group_rows() const { return (groups.rays.rows + groups.high - 1) / groups.high; }
    int group_columns() const { return (groups.rays.columns + groups.wide - 1) / groups.wide; }
};

struct SpectralJob {
    const KernelTable* kernels;
    Volume labels, density;  // density.data null: relative density 1 everywhere
    WordFormat format;
    Channels channels;
    Signal signal;
    std::vector<uint8_t> weightless;  // (materials present) 1 where a material adds nothing to any channel
    int threads;
    // Corrects the sums of a view once all tiles are in (overlays); may be empty.
    std::function<void(const SpectralView&, int from_column, int to_column)> amend;
};

// Columns first .. first + count - 1 of a view.
inline ViewRays some_columns(const ViewRays& rays, int first, int count) {
    ViewRays part = rays;
    part.start += static_cast<int64_t>(first) * rays.start_stride;
    part.end += 3 * static_cast<int64_t>(first);
    part.columns = count;
    return part;
}

// Splits a view into parts whose sums fit the bound; `along` >= 0: groups of 16 rows, else packets.
inline void add_parts(std::vector<SpectralView>& parts, const ViewRays& rays, bool flat, int along, const double (&spacing)[3], const ViewImages& images, int view, int channels) {
    const int high = along >= 0 ? 16 : packet_rows_high(rays);
    const size_t column_bytes = static_cast<size_t>((rays.rows + high - 1) / high) * high * static_cast<size_t>(channels) * sizeof(float);
    const int most = std::max<int>(16, static_cast<int>(std::min<size_t>(SUMS_BYTES / column_bytes, 1 << 20)) / 16 * 16);
    for (int c = 0; c < rays.columns; c += most) {
        SpectralView part;
        part.groups = {some_columns(rays, c, std::min(most, rays.columns - c)), flat, along, {}, high, 16 / high, 0, 0, nullptr};
        std::copy(spacing, spacing + 3, part.groups.spacing);
        const int64_t group = 16 * static_cast<int64_t>(channels);
        if (along >= 0) part.groups.row_step = group, part.groups.column_step = group * part.group_rows();
        else part.groups.column_step = group, part.groups.row_step = group * part.group_columns();
        part.images = images;
        for (float** image : {&part.images.signal, &part.images.areal})
            if (*image) *image += c;
        for (const float** map : {&part.images.position, &part.images.factor})
            if (*map) *map += c;
        part.view = view, part.first_column = c, part.images.first_column = c;
        parts.push_back(part);
    }
}

inline size_t sums_of(const SpectralView& part, int channels) {
    return static_cast<size_t>(part.group_rows()) * static_cast<size_t>(part.group_columns()) * 16 * static_cast<size_t>(channels);
}

// The word of a tile that has but one, from the words of its rows or layers. 0: several words, 1: one, 2: one that adds nothing.
inline int one_word(const SpectralJob& job, const std::vector<PartWords>& parts, int count, uint32_t& word) {
    word = parts[0].first;
    for (int i = 0; i < count; i++)
        if (parts[static_cast<size_t>(i)].first != word || parts[static_cast<size_t>(i)].differs) return 0;
    const uint32_t low = (1u << job.format.label_bits) - 1u;
    return (word & ~low) == 0 || job.weightless[word & low] ? 2 : 1;
}

// Packs and traces tiles one after the other, the next one packed while this one is traced.
template <typename Tile, typename Pack, typename Trace>
inline void for_tiles(Team& team, const SpectralJob& job, const std::vector<Tile>& tiles, int most_parts, size_t scratch_floats, int items,
                      const std::function<int(const Tile&)>& parts_of, Pack&& pack, Trace&& trace) {
    std::vector<Queue> packing(tiles.size()), tracing(tiles.size());
    std::vector<PartWords> words[2] = {std::vector<PartWords>(static_cast<size_t>(most_parts)), std::vector<PartWords>(static_cast<size_t>(most_parts))};
    std::vector<AlignedFloats> scratch;
    for (int t = 0; t < team.size(); t++) scratch.emplace_back(scratch_floats);
    team.run([&](int thread) {
        const auto pack_tile = [&](size_t t) {
            int part;
            while (packing[t].take(parts_of(tiles[t]), part))
                words[t % 2][static_cast<size_t>(part)] = pack(tiles[t], part, scratch[static_cast<size_t>(thread)].data.get());
        };
        pack_tile(0);
        team.barrier();
        for (size_t t = 0; t < tiles.size(); t++) {
            if (t + 1 < tiles.size()) pack_tile(t + 1);
            uint32_t word;
            const int kind = one_word(job, words[t % 2], parts_of(tiles[t]), word);
            int item;
            while (kind < 2 && tracing[t].take(items, item)) trace(tiles[t], item, kind == 1 ? &word : nullptr);
            team.barrier();
        }
    });
}

// `begun`: (views, blocks of 16 columns) whether their sums hold something; the others are not even cleared.
inline void trace_along(const SpectralJob& job, int w, const std::vector<SpectralView>& views, std::vector<uint8_t>& begun, Team& team) {
    const ColumnTile whole = columns_along(job.labels, w);
    const int most = most_tile_edge(whole.nw);
    const std::vector<int> p = part_edges(whole.np, most, WHOLE_LINES), q = part_edges(whole.nq, most, 1);
    const int wide = widest_part(p), deep = widest_part(q);
    const size_t columns = static_cast<size_t>(wide) * static_cast<size_t>(deep);
    PagedFloats room(2 * column_floats(whole, wide, deep));
    std::vector<uint64_t> materials_room(2 * columns);
    const auto materials_of = [&](const ColumnTile& tile) -> TileMaterials {
        return {materials_room.data() + (tile.data == room.data.get() ? 0 : columns), (whole.nw + BLOCKS_IN_COLUMN - 1) / BLOCKS_IN_COLUMN};
    };
    const std::vector<ColumnTile> tiles = column_tiles(whole, p, q, room.data.get());
    const int blocks = static_cast<int>(begun.size() / views.size());
    const auto pack = [&](const ColumnTile& tile, int row, float* scratch) {
        clear_between(tile, row, 2 * COLUMN_PAD);
        return job.kernels->spectral.pack_columns(job.labels, job.density, job.format, tile, materials_of(tile), row, scratch);
    };
    const auto trace = [&](const ColumnTile& tile, int item, const uint32_t* word) {
        const RayGroups& groups = views[static_cast<size_t>(item / blocks)].groups;
        const int first = 16 * (item % blocks);
        uint8_t& some = begun[static_cast<size_t>(item)];
        if (first < groups.rays.columns) some = job.kernels->spectral.trace_columns(tile, materials_of(tile), groups, first, job.channels, word, !some);
    };
    for_tiles<ColumnTile>(team, job, tiles, deep, static_cast<size_t>(wide) * static_cast<size_t>(whole.stride) + 2 * COLUMN_PAD,
                          static_cast<int>(views.size()) * blocks, [](const ColumnTile& tile) { return static_cast<int>(tile.nq); }, pack, trace);
}

inline void trace_blocks(const SpectralJob& job, const std::vector<SpectralView>& views, Team& team) {
    const int edge[3] = {MAX_BLOCK_EDGE, MAX_BLOCK_EDGE, MAX_BLOCK_EDGE};
    AlignedFloats room(2 * block_floats(edge));
    const std::vector<BlockTile> tiles = block_tiles(job.labels, edge, room.data.get());
    int most = 0;
    for (const SpectralView& view : views) most = std::max(most, view.group_rows());
    const int pieces = std::max(1, std::min(most, 16 * job.threads / std::max(1, static_cast<int>(views.size()))));
    const auto zeros = [](const BlockTile& tile, int layer) {
        const int64_t size = static_cast<int64_t>(tile.shape[0] + 2) * (tile.shape[1] + 2);
        std::fill(tile.data + layer * size, tile.data + (layer + 1) * size, 0.0f);
    };
    const auto pack = [&](const BlockTile& tile, int layer, float* scratch) {
        if (layer == 0) zeros(tile, 0);
        zeros(tile, layer + 1);
        if (layer + 1 == tile.shape[2]) zeros(tile, layer + 2);
        return job.kernels->spectral.pack_block(job.labels, job.density, job.format, tile, layer, scratch);
    };
    const auto trace = [&](const BlockTile& tile, int item, const uint32_t* word) {
        const SpectralView& view = views[static_cast<size_t>(item / pieces)];
        const int rows = view.group_rows(), piece = item % pieces;
        job.kernels->spectral.trace_packets(tile, job.labels.spacing, view.groups, rows * piece / pieces, rows * (piece + 1) / pieces, job.channels, word);
    };
    for_tiles<BlockTile>(team, job, tiles, MAX_BLOCK_EDGE, 3 * (MAX_BLOCK_EDGE + 2) * (MAX_BLOCK_EDGE + 2), static_cast<int>(views.size()) * pieces,
                         [](const BlockTile& tile) { return static_cast<int>(tile.shape[2]); }, pack, trace);
}

// All views of one kind: `along` is the volume axis of their detector columns, or -1. `parts` come from add_parts.
inline void project_spectral(const SpectralJob& job, int along, const std::vector<SpectralView>& parts) {
    const int channels = job.channels.count;
    size_t room_floats = 0;
    for (size_t first = 0; first < parts.size();) {
        size_t floats = 0, last = first;
        while (last < parts.size() && (last == first || (floats + sums_of(parts[last], channels)) * sizeof(float) <= SUMS_BYTES))
            floats += sums_of(parts[last++], channels);
        room_floats = std::max(room_floats, floats);
        first = last;
    }
    PagedFloats room(room_floats);  // touched first by the threads that clear it
    for (size_t first = 0; first < parts.size();) {
        std::vector<SpectralView> batch;
        size_t floats = 0;
        while (first < parts.size() && (batch.empty() || (floats + sums_of(parts[first], channels)) * sizeof(float) <= SUMS_BYTES)) {
            batch.push_back(parts[first]);
            batch.back().groups.sums = room.data.get() + floats;
            floats += sums_of(parts[first++], channels);
        }
        Team team(job.threads);
        int widest = 0;
        for (const SpectralView& view : batch) widest = std::max(widest, view.group_columns());
        const int blocks = (widest + 15) / 16;
        std::vector<uint8_t> begun(batch.size() * static_cast<size_t>(blocks), along < 0);
        if (along >= 0) {
            trace_along(job, along, batch, begun, team);
        } else {
            Queue clearing;
            team.run([&](int) {
                int item;
                while (clearing.take(static_cast<int>(batch.size()), item)) {
                    float* sums = batch[static_cast<size_t>(item)].groups.sums;
                    std::fill(sums, sums + sums_of(batch[static_cast<size_t>(item)], channels), 0.0f);
                }
            });
            trace_blocks(job, batch, team);
        }
        Queue queue;
        std::vector<AlignedFloats> scratch;
        for (int t = 0; t < job.threads; t++) scratch.emplace_back(16 * static_cast<size_t>(job.signal.energies + channels));
        team.run([&](int thread) {
            int item;
            while (queue.take(static_cast<int>(batch.size()) * blocks, item)) {
                const SpectralView& view = batch[static_cast<size_t>(item / blocks)];
                const int from = 16 * (item % blocks), to = std::min(from + 16, view.group_columns());
                if (from >= to) continue;
                if (!begun[static_cast<size_t>(item)]) {
                    float* sums = view.groups.sums + from * view.groups.column_step;
                    std::fill(sums, sums + (to - from) * view.groups.column_step, 0.0f);
                }
                if (job.amend) job.amend(view, from, to);
                job.kernels->spectral.finish(view.groups, job.channels, job.signal, view.images, from, to, scratch[static_cast<size_t>(thread)].data.get());
            }
        });
    }
}

}  // namespace physsim
