// Labels of organs without the vessels, airways and nerves that run through them.
#pragma once
#include <utility>

#include "body/pieces.h"

namespace physsim {

// As physsim.body.topology.given_back: in `whole`, a copy of `labels`, the voxels of conduits go, layer by layer, to the neighbour with
// most faces, of equals the lowest number. Voxels that nothing else reaches keep their label.
template <typename Label>
void give_back(const LabelVolume<Label>& labels, const LabelVolume<uint16_t>& whole, const int32_t* conduit, int threads) {
    constexpr uint16_t WAITS = 0xFFFF;
    const int slabs = labels.shape[0];
    std::vector<std::vector<int64_t>> found(static_cast<size_t>(slabs));
    Queue queue;
    Team(std::max(1, std::min(threads, slabs))).run([&](int) {
        int z;
        while (queue.take(slabs, z))
            for (int64_t at = labels.index(z, 0, 0); at < labels.index(z + 1, 0, 0); at++)
                if (conduit[labels.at[at]]) found[static_cast<size_t>(z)].push_back(at), whole.at[at] = WAITS;
    });
    std::vector<int64_t> left;
    for (const auto& own : found) left.insert(left.end(), own.begin(), own.end());
    while (!left.empty()) {
        std::vector<std::pair<int64_t, uint16_t>> now;
        std::vector<int64_t> later;
        for (const int64_t at : left) {
            const int64_t place[3] = {at / labels.shape[2] / labels.shape[1], at / labels.shape[2] % labels.shape[1],
                                      at % labels.shape[2]};
            const int64_t by[3] = {int64_t{labels.shape[1]} * labels.shape[2], labels.shape[2], 1};
            uint16_t near[6], best = WAITS;
            int count = 0, most = 0;
            for (int axis = 0; axis < 3; axis++) {
                if (place[axis] > 0) near[count++] = whole.at[at - by[axis]];
                if (place[axis] < labels.shape[axis] - 1) near[count++] = whole.at[at + by[axis]];
            }
            for (int n = 0; n < count; n++) {
                int votes = 0;
                for (int other = 0; other < count; other++) votes += near[other] == near[n];
                if (near[n] != WAITS && (votes > most || (votes == most && near[n] < best))) best = near[n], most = votes;
            }
            if (most) now.emplace_back(at, best);
            else later.push_back(at);
        }
        if (now.empty()) break;
        for (const auto& [at, organ] : now) whole.at[at] = organ;
        left = std::move(later);
    }
    for (const int64_t at : left) whole.at[at] = static_cast<uint16_t>(labels.at[at]);
}

}  // namespace physsim
