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

}  // namespace physsim
