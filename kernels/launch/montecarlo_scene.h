// What a scene is made of, found in a few passes over its voxels: threads take layers, and sums keep the order of the layers.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "launch/team.h"
#include "transport/scene.h"

namespace physsim {

// A number for each pair of label and region that occurs, in rising order of the pair, and that number for every voxel.
template <typename Label, typename Region>
inline std::vector<std::pair<int32_t, int32_t>> join_labels(const Label* labels, const Region* regions, int64_t layers, int64_t layer_voxels, int label_count,
                                                            int region_count, uint16_t* joined, int threads) {
    const size_t kinds = static_cast<size_t>(label_count) * static_cast<size_t>(region_count);
    std::vector<std::vector<uint8_t>> present(static_cast<size_t>(threads));
    Queue marking, numbering;
    Team(threads).run([&](int thread) {
        std::vector<uint8_t>& own = present[static_cast<size_t>(thread)];
        own.assign(kinds, 0);
        int layer;
        while (marking.take(static_cast<int>(layers), layer))
            for (int64_t v = layer * layer_voxels; v < (layer + 1) * layer_voxels; v++)
                own[static_cast<size_t>(labels[v]) * static_cast<size_t>(region_count) + static_cast<size_t>(regions[v])] = 1;
    });
    std::vector<std::pair<int32_t, int32_t>> pairs;
    std::vector<uint16_t> number(kinds, 0);
    for (size_t kind = 0; kind < kinds; kind++) {
        bool there = false;
        for (const std::vector<uint8_t>& own : present) there = there || own[kind];
        if (!there) continue;
        number[kind] = static_cast<uint16_t>(pairs.size());
        pairs.emplace_back(static_cast<int32_t>(kind / static_cast<size_t>(region_count)), static_cast<int32_t>(kind % static_cast<size_t>(region_count)));
    }
    Team(threads).run([&](int) {
        int layer;
        while (numbering.take(static_cast<int>(layers), layer))
            for (int64_t v = layer * layer_voxels; v < (layer + 1) * layer_voxels; v++)
                joined[v] = number[static_cast<size_t>(labels[v]) * static_cast<size_t>(region_count) + static_cast<size_t>(regions[v])];
    });
    return pairs;
}

struct Undensified {};  // voxels without relative densities

// Calls use(labels, densities) with the arrays of a scene in their own types.
template <class Use>
inline void with_voxels(const MonteCarloScene& scene, Use use) {
    const auto with_labels = [&](const auto* labels) {
        if (!scene.density) use(labels, static_cast<const Undensified*>(nullptr));
        else if (scene.density_bytes == 2) use(labels, static_cast<const uint16_t*>(scene.density));
        else use(labels, static_cast<const float*>(scene.density));
    };
    if (scene.label_bytes == 1) with_labels(static_cast<const uint8_t*>(scene.labels));
    else with_labels(static_cast<const uint16_t*>(scene.labels));
}

// Relative densities of `count` voxels from `first` on as floats, in `room` where they are not.
inline const float* densities_of(const Undensified*, int64_t, int count, float* room) {
    std::fill(room, room + count, 1.0f);
    return room;
}
inline const float* densities_of(const float* density, int64_t first, int, float*) { return density + first; }
inline const float* densities_of(const uint16_t* density, int64_t first, int count, float* room) {
    for (int i = 0; i < count; i++) room[i] = from_half(density[first + i]);
    return room;
}

// In four parts side by side; exact for halves.
inline double sum_of(const float* values, int count) {
    double part[4] = {};
    int i = 0;
    for (; i + 4 <= count; i += 4)
        for (int k = 0; k < 4; k++) part[k] += static_cast<double>(values[i + k]);
    for (; i < count; i++) part[0] += static_cast<double>(values[i]);
    return (part[0] + part[1]) + (part[2] + part[3]);
}

// Voxels of each label, and the sum of their relative densities.
inline void measure_labels(const MonteCarloScene& scene, int labels, double* voxels, double* densities, int threads) {
    constexpr int TOGETHER = 2048;
    const size_t layers = static_cast<size_t>(scene.shape[2]), columns = static_cast<size_t>(labels);
    const int64_t layer_voxels = static_cast<int64_t>(scene.shape[0]) * scene.shape[1];
    std::vector<double> number(layers * columns, 0.0), sum(layers * columns, 0.0);
    with_voxels(scene, [&](const auto* label, const auto* density) {
        Queue queue;
        Team(threads).run([&](int) {
            float room[TOGETHER];
            int z;
            while (queue.take(scene.shape[2], z)) {
                double* const layer_number = number.data() + static_cast<size_t>(z) * columns;
                double* const layer_sum = sum.data() + static_cast<size_t>(z) * columns;
                for (int64_t first = z * layer_voxels; first < (z + 1) * layer_voxels; first += TOGETHER) {
                    const int count = static_cast<int>(std::min<int64_t>(TOGETHER, (z + 1) * layer_voxels - first));
                    const float* const relative = densities_of(density, first, count, room);
                    for (int start = 0, end; start < count; start = end) {  // neighbours mostly have one label
                        const auto own = label[first + start];
                        for (end = start + 1; end < count && label[first + end] == own;) end++;
                        layer_number[own] += end - start, layer_sum[own] += sum_of(relative + start, end - start);
                    }
                }
            }
        });
    });
    for (size_t z = 0; z < layers; z++)
        for (size_t label = 0; label < columns; label++) voxels[label] += number[z * columns + label], densities[label] += sum[z * columns + label];
}

// Whether `count` voxels have one label, and their greatest relative density.
template <typename Label>
inline bool one_label(const Label* label, const float* relative, int count, float& most) {
    bool same = true;
    most = relative[0];
    for (int i = 1; i < count; i++) same &= label[i] == label[0], most = relative[i] > most ? relative[i] : most;
    return same;
}

// Greatest density (g/cm3) of each material in each cell, (cells z, y, x, materials); -1 where it is not there.
inline void survey_cells(const MonteCarloScene& scene, int materials, float* greatest, int threads) {
    const int64_t layer_cells = static_cast<int64_t>(scene.cells[0]) * scene.cells[1];
    const int width = scene.cell_voxels[0], columns = scene.shape[0];
    with_voxels(scene, [&](const auto* label, const auto* density) {
        Queue queue;
        Team(threads).run([&](int) {
            std::vector<float> room(static_cast<size_t>(columns));
            int cz;
            while (queue.take(scene.cells[2], cz)) {
                float* const layer = greatest + cz * layer_cells * materials;
                std::fill(layer, layer + layer_cells * materials, -1.0f);
                const int z1 = std::min((cz + 1) * scene.cell_voxels[2], scene.shape[2]);
                for (int z = cz * scene.cell_voxels[2]; z < z1; z++)
                    for (int y = 0; y < scene.shape[1]; y++) {
                        const int64_t first = scalar::voxel_number(scene, 0, y, z);
                        const float* const relative = densities_of(density, first, columns, room.data());
                        const auto* const own = label + first;
                        float* cell = layer + static_cast<int64_t>(y / scene.cell_voxels[1]) * scene.cells[0] * materials;
                        const auto note = [&](int of, float value) {
                            const Medium& medium = scene.media[of];
                            cell[medium.material] = std::max(cell[medium.material], medium.density * value);
                        };
                        for (int x = 0; x < columns; x += width, cell += materials) {
                            const int count = std::min(width, columns - x);
                            float most;
                            const bool same = count == 4 ? one_label(own + x, relative + x, 4, most) : one_label(own + x, relative + x, count, most);
                            if (same) note(own[x], most);
                            else
                                for (int i = x; i < x + count; i++) note(own[i], relative[i]);
                        }
                    }
            }
        });
    });
}

// Raises `greatest` (as of survey_cells) in each cell to what patches' voxels hold that reach into it.
inline void survey_patches(const MonteCarloScene& scene, int materials, float* greatest) {
    for (int p = 0; p < scene.patch_count; p++) {
        const Patch& patch = scene.patches[p];
        double step[3][3], half[3] = {};  // from a voxel to the next along each of the patch's axes, cm; half the width of a voxel's box
        for (int a = 0; a < 3; a++) {
            double square = 0.0;
            for (int b = 0; b < 3; b++) square += static_cast<double>(patch.voxels_per_cm[a][b]) * patch.voxels_per_cm[a][b];
            for (int b = 0; b < 3; b++) step[a][b] = patch.voxels_per_cm[a][b] / square, half[b] += 0.5 * std::abs(step[a][b]);
        }
        int64_t voxel = static_cast<int64_t>(patch.first[1]) << 32 | static_cast<uint32_t>(patch.first[0]);
        for (int z = 0; z < patch.shape[2]; z++)
            for (int y = 0; y < patch.shape[1]; y++)
                for (int x = 0; x < patch.shape[0]; x++, voxel++) {
                    int first[3], last[3];
                    for (int b = 0; b < 3; b++) {
                        const double at = patch.corner_cm[b] + (x + 0.5) * step[0][b] + (y + 0.5) * step[1][b] + (z + 0.5) * step[2][b];
                        const int low = static_cast<int>(std::floor((at - half[b] + PATCH_REACH_CM) * scene.cells_per_cm[b]));
                        const int high = static_cast<int>(std::ceil((at + half[b] - PATCH_REACH_CM) * scene.cells_per_cm[b])) - 1;
                        first[b] = std::clamp(std::min(low, high), 0, scene.cells[b] - 1), last[b] = std::clamp(std::max(low, high), 0, scene.cells[b] - 1);
                    }
                    const Medium& medium = scene.media[scalar::label_of(scene, voxel)];
                    const float density = medium.density * scalar::relative_density(scene, voxel);
                    for (int cz = first[2]; cz <= last[2]; cz++)
                        for (int cy = first[1]; cy <= last[1]; cy++)
                            for (int cx = first[0]; cx <= last[0]; cx++) {
                                float& most = greatest[((static_cast<int64_t>(cz) * scene.cells[1] + cy) * scene.cells[0] + cx) * materials + medium.material];
                                most = std::max(most, density);
                            }
                }
    }
}

// Whether `count` values from one voxel on equal those from another on; bit by bit, so that 0 and -0 differ.
template <typename Value>
inline bool equal(const Value* values, int64_t voxel, int64_t other, int count) {
    const Value *const one = values + voxel, *const two = values + other;
    return count == 4 ? std::memcmp(one, two, 4 * sizeof(Value)) == 0 : std::memcmp(one, two, static_cast<size_t>(count) * sizeof(Value)) == 0;
}
inline bool equal(const Undensified*, int64_t, int64_t, int) { return true; }

// The label and relative density of each cell (z, y, x) whose voxels all have them; label -1 elsewhere.
inline void label_cells(const MonteCarloScene& scene, int32_t* labels, float* densities, int threads) {
    const int width = scene.cell_voxels[0], columns = scene.shape[0];
    with_voxels(scene, [&](const auto* label, const auto* density) {
        Queue queue;
        Team(threads).run([&](int) {
            int cz;
            while (queue.take(scene.cells[2], cz)) {
                const int z0 = cz * scene.cell_voxels[2], z1 = std::min(z0 + scene.cell_voxels[2], scene.shape[2]);
                for (int cy = 0; cy < scene.cells[1]; cy++) {
                    const int y0 = cy * scene.cell_voxels[1], y1 = std::min(y0 + scene.cell_voxels[1], scene.shape[1]);
                    int64_t cell = (static_cast<int64_t>(cz) * scene.cells[1] + cy) * scene.cells[0];
                    for (int x = 0; x < columns; x += width, cell++) {
                        const int64_t corner = scalar::voxel_number(scene, x, y0, z0);
                        const int count = std::min(width, columns - x);
                        // The first row against itself one further on, the other rows against the first.
                        bool same = equal(label, corner, corner + 1, count - 1) && equal(density, corner, corner + 1, count - 1);
                        for (int z = z0; z < z1 && same; z++)
                            for (int y = y0; y < y1 && same; y++) {
                                const int64_t row = scalar::voxel_number(scene, x, y, z);
                                same = equal(label, row, corner, count) && equal(density, row, corner, count);
                            }
                        labels[cell] = same ? static_cast<int32_t>(label[corner]) : -1;
                        densities[cell] = scalar::relative_density(scene, corner);
                    }
                }
            }
        });
    });
}

// The number of each of `count` rows among the different ones, in the order of their first appearance; where each appears first.
inline std::vector<int64_t> number_rows(const uint32_t* rows, int64_t count, int columns, int32_t* number) {
    size_t places = 2;
    while (places < 2 * static_cast<size_t>(count)) places *= 2;
    std::vector<int32_t> table(places, -1);
    std::vector<int64_t> first;
    const size_t bytes = static_cast<size_t>(columns) * sizeof(uint32_t);
    for (int64_t n = 0; n < count; n++) {
        const uint32_t* const row = rows + n * columns;
        if (n > 0 && std::memcmp(row, row - columns, bytes) == 0) {  // neighbours mostly are alike
            number[n] = number[n - 1];
            continue;
        }
        uint64_t mixed = 0;
        for (int i = 0; i < columns; i++) mixed = (mixed ^ row[i]) * 0x9e3779b97f4a7c15u, mixed ^= mixed >> 32;
        size_t place = mixed & (places - 1);
        while (table[place] >= 0 && std::memcmp(row, rows + first[static_cast<size_t>(table[place])] * columns, bytes) != 0) place = (place + 1) & (places - 1);
        if (table[place] < 0) table[place] = static_cast<int32_t>(first.size()), first.push_back(n);
        number[n] = table[place];
    }
    return first;
}

}  // namespace physsim
