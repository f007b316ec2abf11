// What a scene is made of, found in a few passes over its voxels: threads take layers, and sums keep the order of the layers.
#pragma once
#include <algorithm>
#include <cmath>
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

// Voxels of each label, and the sum of their relative densities.
inline void measure_labels(const MonteCarloScene& scene, int labels, double* voxels, double* densities, int threads) {
    const size_t layers = static_cast<size_t>(scene.shape[2]), columns = static_cast<size_t>(labels);
    std::vector<double> number(layers * columns, 0.0), sum(layers * columns, 0.0);
    Queue queue;
    Team(threads).run([&](int) {
        int z;
        while (queue.take(scene.shape[2], z)) {
            double* layer_number = number.data() + static_cast<size_t>(z) * columns;
            double* layer_sum = sum.data() + static_cast<size_t>(z) * columns;
            const int64_t first = scalar::voxel_number(scene, 0, 0, z), last = scalar::voxel_number(scene, 0, 0, z + 1);
            for (int64_t voxel = first; voxel < last;) {  // neighbours mostly have one label
                const int label = scalar::label_of(scene, voxel);
                const int64_t start = voxel;
                double all = layer_sum[label];
                for (; voxel < last && scalar::label_of(scene, voxel) == label; voxel++)
                    all += static_cast<double>(scalar::relative_density(scene, voxel));
                layer_number[label] += static_cast<double>(voxel - start), layer_sum[label] = all;
            }
        }
    });
    for (size_t z = 0; z < layers; z++)
        for (size_t label = 0; label < columns; label++) voxels[label] += number[z * columns + label], densities[label] += sum[z * columns + label];
}

// Greatest density (g/cm3) of each material in each cell, (cells z, y, x, materials); -1 where it is not there.
inline void survey_cells(const MonteCarloScene& scene, int materials, float* greatest, int threads) {
    const int layers = scene.cells[2];
    const int64_t layer_cells = static_cast<int64_t>(scene.cells[0]) * scene.cells[1];
    Queue queue;
    Team(threads).run([&](int) {
        int cz;
        while (queue.take(layers, cz)) {
            float* layer = greatest + cz * layer_cells * materials;
            std::fill(layer, layer + layer_cells * materials, -1.0f);
            const int z1 = std::min((cz + 1) * scene.cell_voxels[2], scene.shape[2]);
            for (int z = cz * scene.cell_voxels[2]; z < z1; z++)
                for (int y = 0; y < scene.shape[1]; y++) {
                    float* row = layer + static_cast<int64_t>(y / scene.cell_voxels[1]) * scene.cells[0] * materials;
                    const int64_t voxel = scalar::voxel_number(scene, 0, y, z);
                    for (int x = 0; x < scene.shape[0]; x++) {
                        const Medium& medium = scene.media[scalar::label_of(scene, voxel + x)];
                        float& most = row[static_cast<int64_t>(x / scene.cell_voxels[0]) * materials + medium.material];
                        most = std::max(most, medium.density * scalar::relative_density(scene, voxel + x));
                    }
                }
        }
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

// The label and relative density of each cell (z, y, x) whose voxels all have them; label -1 elsewhere.
inline void label_cells(const MonteCarloScene& scene, int32_t* labels, float* densities, int threads) {
    const int64_t row_cells = scene.cells[0], layer_cells = row_cells * scene.cells[1];
    Queue queue;
    Team(threads).run([&](int) {
        int cz;
        while (queue.take(scene.cells[2], cz)) {
            const int z0 = cz * scene.cell_voxels[2], z1 = std::min(z0 + scene.cell_voxels[2], scene.shape[2]);
            for (int z = z0; z < z1; z++)
                for (int y = 0; y < scene.shape[1]; y++) {
                    int64_t cell = cz * layer_cells + y / scene.cell_voxels[1] * row_cells;
                    const bool first_row = z == z0 && y % scene.cell_voxels[1] == 0;
                    const int64_t row = scalar::voxel_number(scene, 0, y, z);
                    for (int x = 0; x < scene.shape[0]; x += scene.cell_voxels[0], cell++) {
                        if (first_row) labels[cell] = scalar::label_of(scene, row + x), densities[cell] = scalar::relative_density(scene, row + x);
                        const int label = labels[cell], last = std::min(x + scene.cell_voxels[0], scene.shape[0]);
                        if (label < 0) continue;
                        bool same = true;
                        for (int i = x; i < last && same; i++)
                            same = scalar::label_of(scene, row + i) == label && scalar::relative_density(scene, row + i) == densities[cell];
                        if (!same) labels[cell] = -1;
                    }
                }
        }
    });
}

}  // namespace physsim
