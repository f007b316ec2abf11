// Monte Carlo on the CPU: threads take blocks of histories; every sum is of whole numbers, so their order does not matter.
#pragma once
#include <algorithm>
#include <vector>

#include "launch/montecarlo_table.h"
#include "launch/team.h"

namespace physsim {

constexpr int64_t HISTORIES_AT_ONCE = 4096;

// Adds histories first .. first + count - 1 to the sums. `shared` names image and voxels; its regions and balance take the threads' sums.
inline void run_histories(const MonteCarloTable& kernels, const MonteCarloJob& job, const MonteCarloTally& shared, int regions, uint64_t first,
                          int64_t count, int threads) {
    const int blocks = static_cast<int>((count + HISTORIES_AT_ONCE - 1) / HISTORIES_AT_ONCE);
    const size_t stride = (static_cast<size_t>(regions) + 15) / 8 * 8;  // threads write to cache lines of their own
    std::vector<int64_t> sums(stride * static_cast<size_t>(threads), 0);
    std::vector<Balance> balances(static_cast<size_t>(threads) * 4, Balance{});
    Queue queue;
    Team(threads).run([&](int thread) {
        MonteCarloTally own = shared;
        own.regions = sums.data() + stride * static_cast<size_t>(thread);
        own.balance = &balances[static_cast<size_t>(thread) * 4];
        int block;
        while (queue.take(blocks, block)) {
            const int64_t from = block * HISTORIES_AT_ONCE;
            kernels.histories(job, own, first + static_cast<uint64_t>(from), std::min(HISTORIES_AT_ONCE, count - from));
        }
    });
    for (int thread = 0; thread < threads; thread++) {
        for (int r = 0; r < regions; r++) shared.regions[r] += sums[stride * static_cast<size_t>(thread) + static_cast<size_t>(r)];
        const Balance& own = balances[static_cast<size_t>(thread) * 4];
        Balance& all = *shared.balance;
        all.born += own.born, all.deposited += own.deposited, all.detected += own.detected, all.escaped += own.escaped;
        all.lost += own.lost, all.above_majorant += own.above_majorant;
    }
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

// The label and relative density of each cell (z, y, x) whose voxels all have them; label -1 elsewhere.
inline void label_cells(const MonteCarloScene& scene, int32_t* labels, float* densities, int threads) {
    const int64_t layer_cells = static_cast<int64_t>(scene.cells[0]) * scene.cells[1];
    Queue queue;
    Team(threads).run([&](int) {
        int cz;
        while (queue.take(scene.cells[2], cz)) {
            int32_t* layer = labels + cz * layer_cells;
            float* density_layer = densities + cz * layer_cells;
            const int z0 = cz * scene.cell_voxels[2], z1 = std::min(z0 + scene.cell_voxels[2], scene.shape[2]);
            for (int z = z0; z < z1; z++)
                for (int y = 0; y < scene.shape[1]; y++) {
                    const int64_t first = static_cast<int64_t>(y / scene.cell_voxels[1]) * scene.cells[0];
                    const bool first_row = z == z0 && y % scene.cell_voxels[1] == 0;
                    const int64_t voxel = scalar::voxel_number(scene, 0, y, z);
                    for (int x = 0; x < scene.shape[0]; x++) {
                        const int64_t cell = first + x / scene.cell_voxels[0];
                        const int label = scalar::label_of(scene, voxel + x);
                        const float density = scalar::relative_density(scene, voxel + x);
                        if (first_row && x % scene.cell_voxels[0] == 0) layer[cell] = label, density_layer[cell] = density;
                        if (layer[cell] != label || density_layer[cell] != density) layer[cell] = -1;
                    }
                }
        }
    });
}

}  // namespace physsim
