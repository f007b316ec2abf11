// Labels of organs after painting, where the grid made them crumble: see MendRules. Densities, materials and sums are not touched.
#pragma once
#include <limits>

#include "body/give_back.h"
#include "body/organ_holes.h"
#include "body/pieces.h"

namespace physsim {

// By organ: how many pieces, tunnels and cavities it should have (below 0: any), whether it is held to that, whether it is a conduit
// (its voxels count as those of the organs round them, and keep their labels), and the organs that count as part of it (first, members).
struct MendRules {
    const int32_t *betti, *judged, *conduit, *first, *held;
    int32_t organs, crumb, tear;  // voxels at most: of a piece that goes, of a set that closes a hole; half of it, of one that bridges it
};

struct MendedVoxel { int64_t index; int32_t before, after; };

template <typename Label>
class Mender {
  public:
    Mender(const LabelVolume<Label>& volume, const MendRules& rules, int threads)
        : v_(volume), r_(rules), threads_(threads), whole_(volume.at, volume.at + volume.size()), w_{whole_.data(), {v_.shape[0], v_.shape[1], v_.shape[2]}} {
        for (int n = 0; n < 27; n++) step_[n] = (int64_t{n / 9 - 1} * v_.shape[1] + n / 3 % 3 - 1) * v_.shape[2] + n % 3 - 1;
        give_back(v_, w_, r_.conduit, threads_);
        const PieceFinder<uint16_t> pieces(w_, r_.organs, threads_);
        crumbs(pieces.found);
        holes(pieces.found);
        mended.erase(std::remove_if(mended.begin(), mended.end(), [](const MendedVoxel& one) { return one.before == one.after; }), mended.end());
    }

    std::vector<MendedVoxel> mended;

  private:
    LabelVolume<Label> v_;
    MendRules r_;
    int threads_;
    std::vector<uint16_t> whole_;  // labels with conduits given back
    LabelVolume<uint16_t> w_;
    std::vector<uint16_t> before_;  // of those in `mended`
    int64_t step_[27];
    struct Proposal { int32_t organ; std::vector<std::vector<int64_t>> joining, leaving; };

    bool holds(int32_t organ, int32_t other) const {
        if (organ == other) return true;
        for (int32_t n = r_.first[organ]; n < r_.first[organ + 1]; n++)
            if (r_.held[n] == other) return true;
        return false;
    }
    bool inside(int64_t at) const {
        const int32_t x = static_cast<int32_t>(at % v_.shape[2]), y = static_cast<int32_t>(at / v_.shape[2] % v_.shape[1]);
        const int64_t z = at / v_.shape[2] / v_.shape[1];
        return x > 0 && y > 0 && z > 0 && x < v_.shape[2] - 1 && y < v_.shape[1] - 1 && z < v_.shape[0] - 1;
    }
    uint32_t around(int64_t at, int32_t organ) const {
        uint32_t cube = 0;
        for (int n = 0; n < 27; n++) cube |= static_cast<uint32_t>(w_.at[at + step_[n]] == organ) << n;
        return cube;
    }
    void set(int64_t at, int32_t organ) {
        const int32_t own = v_.at[at], after = r_.conduit[own] ? own : organ;
        mended.push_back({at, own, after}), before_.push_back(w_.at[at]);
        v_.at[at] = static_cast<Label>(after), w_.at[at] = static_cast<uint16_t>(organ);
    }
    void take_back(size_t kept) {
        for (; mended.size() > kept; mended.pop_back(), before_.pop_back()) {
            v_.at[mended.back().index] = static_cast<Label>(mended.back().before);
            w_.at[mended.back().index] = before_.back();
        }
    }

    // The neighbour (by faces) of a voxel with most faces to it that can take it: of equals the lowest number; -1: none. `strict`: only
    // one whose own topology stays as it is.
    int32_t taker(int64_t at, bool strict) const {
        int32_t near[6], best = -1, most = 0, count = 0;
        for (int n = 0; n < 27; n++)
            if (CUBE.faces >> n & 1) near[count++] = w_.at[at + step_[n]];
        for (int n = 0; n < 6; n++) {
            const int32_t one = near[n];
            int32_t votes = 0;
            for (const int32_t other : near) votes += other == one;
            if (one == w_.at[at] || r_.conduit[one] || votes < most || (votes == most && best >= 0 && one >= best)) continue;
            if (strict && r_.judged[one] && !is_simple(around(at, one))) continue;
            best = one, most = votes;
        }
        return best;
    }

    // Pieces beyond the number declared, of few voxels and far fewer than the organ's, go to what surrounds them.
    void crumbs(const LabelPieces& known) {
        std::vector<std::vector<int32_t>> own(static_cast<size_t>(r_.organs));
        for (size_t n = 0; n < known.pieces.size(); n++)
            if (r_.judged[known.pieces[n].label]) own[static_cast<size_t>(known.pieces[n].label)].push_back(static_cast<int32_t>(n));
        for (int32_t organ = 0; organ < r_.organs; organ++) {
            std::vector<int32_t>& pieces = own[static_cast<size_t>(organ)];
            const int32_t wanted = r_.betti[3 * organ];
            if (wanted < 1 || r_.conduit[organ] || static_cast<int32_t>(pieces.size()) <= wanted) continue;
            const auto size = [&](int32_t n) { return known.pieces[static_cast<size_t>(n)].voxels; };
            std::stable_sort(pieces.begin(), pieces.end(), [&](int32_t a, int32_t b) { return size(a) > size(b); });
            const int64_t largest = size(pieces[static_cast<size_t>(wanted) - 1]) / 3;
            for (size_t n = static_cast<size_t>(wanted); n < pieces.size(); n++) {
                const LabelPiece& piece = known.pieces[static_cast<size_t>(pieces[n])];
                if (piece.voxels <= std::min<int64_t>(r_.crumb, largest) && !piece.at_face) dissolve(piece);
            }
        }
    }
    void dissolve(const LabelPiece& piece) {
        std::vector<int64_t> left(1, piece.first);
        for (size_t n = 0; n < left.size(); n++)
            for (const int64_t step : step_) {
                const int64_t at = left[n] + step;
                if (w_.at[at] == piece.label) {
                    if (std::find(left.begin(), left.end(), at) == left.end()) left.push_back(at);
                } else if (holds(piece.label, w_.at[at])) {
                    return;  // whole with what it holds
                }
            }
        std::sort(left.begin(), left.end());
        const size_t kept = mended.size();
        while (!left.empty()) {
            std::vector<int64_t> later;
            std::vector<std::pair<int64_t, int32_t>> now;
            for (const int64_t at : left) {
                int32_t to = taker(at, true);
                if (to < 0) to = taker(at, false);
                if (to < 0) later.push_back(at);
                else now.emplace_back(at, to);
            }
            if (now.empty()) return take_back(kept);  // among conduits alone
            for (const auto& [at, to] : now) set(at, to);
            left = std::move(later);
        }
    }

    // Organs whole in the grid, each by itself; then what they propose, organ by organ.
    void holes(const LabelPieces& known) {
        std::vector<uint8_t> cut(static_cast<size_t>(r_.organs), 0);
        for (const LabelPiece& piece : known.pieces) cut[static_cast<size_t>(piece.label)] |= piece.at_face;
        std::vector<int32_t> whole;
        for (int32_t organ = 0; organ < r_.organs; organ++) {
            const int32_t* betti = r_.betti + 3 * organ;
            const bool there = known.boxes[static_cast<size_t>(organ)].high[0] >= 0 && !cut[static_cast<size_t>(organ)];
            if (there && r_.judged[organ] && !r_.conduit[organ] && betti[0] >= 0 && betti[1] >= 0 && betti[2] >= 0) whole.push_back(organ);
        }
        std::vector<Proposal> proposals(whole.size());
        std::vector<size_t> order(whole.size());  // the widest first, so that threads end together
        for (size_t n = 0; n < order.size(); n++) order[n] = n;
        const auto room = [&](size_t n) {
            const LabelBox& box = known.boxes[static_cast<size_t>(whole[n])];
            return int64_t{box.high[0] - box.low[0] + 1} * (box.high[1] - box.low[1] + 1) * (box.high[2] - box.low[2] + 1);
        };
        std::stable_sort(order.begin(), order.end(), [&](size_t x, size_t y) { return room(x) > room(y); });
        Queue queue;
        const int count = static_cast<int>(whole.size());
        Team(std::max(1, std::min(threads_, count))).run([&](int) {
            int item;
            while (queue.take(count, item)) {
                const size_t own = order[static_cast<size_t>(item)];
                proposals[own] = proposed(whole[own], known);
            }
        });
        for (const Proposal& one : proposals) {
            for (const auto& voxels : one.joining) join(voxels, one.organ);
            for (const auto& voxels : one.leaving) leave(voxels, one.organ);
        }
    }

    Proposal proposed(int32_t organ, const LabelPieces& known) const {
        LabelBox box = known.boxes[static_cast<size_t>(organ)];
        for (int32_t n = r_.first[organ]; n < r_.first[organ + 1]; n++)
            for (int a = 0; a < 3; a++) {
                const LabelBox& other = known.boxes[static_cast<size_t>(r_.held[n])];
                box.low[a] = std::min(box.low[a], other.low[a]), box.high[a] = std::max(box.high[a], other.high[a]);
            }
        std::vector<uint8_t> part(static_cast<size_t>(r_.organs), 0);
        for (int32_t n = r_.first[organ]; n < r_.first[organ + 1]; n++) part[static_cast<size_t>(r_.held[n])] = 2;
        part[static_cast<size_t>(organ)] = 1;
        constexpr int32_t ROOM = 3;
        std::array<int32_t, 3> size;
        int64_t all = 1;
        for (size_t a = 0; a < 3; a++) size[a] = box.high[a] - box.low[a] + 1 + 2 * ROOM, all *= size[a];
        if (all > std::numeric_limits<int32_t>::max()) return {organ, {}, {}};
        std::vector<uint8_t> in(static_cast<size_t>(all), 0);
        for (int32_t z = box.low[0]; z <= box.high[0]; z++)
            for (int32_t y = box.low[1]; y <= box.high[1]; y++) {
                const int64_t row = int64_t{z} * v_.shape[1] + y;
                uint8_t* out = in.data() + (int64_t{z - box.low[0] + ROOM} * size[1] + y - box.low[1] + ROOM) * size[2] - (box.low[2] - ROOM);
                const int64_t past = known.rows[static_cast<size_t>(row) + 1];
                for (int64_t n = known.at(row, box.low[2]); n < past && known.runs[static_cast<size_t>(n)].begin <= box.high[2]; n++) {
                    const LabelPieces::Run& run = known.runs[static_cast<size_t>(n)];
                    if (!part[static_cast<size_t>(run.label)]) continue;
                    const int32_t end = std::min(known.end(row, n, v_.shape[2]), box.high[2] + 1);
                    for (int32_t x = std::max(run.begin, box.low[2]); x < end; x++) out[x] = part[static_cast<size_t>(run.label)];
                }
            }
        for (const MendedVoxel& one : mended) {  // since the runs were listed
            const int64_t place[3] = {one.index / v_.shape[2] / v_.shape[1], one.index / v_.shape[2] % v_.shape[1], one.index % v_.shape[2]};
            bool within = true;
            for (int a = 0; a < 3; a++) within = within && place[a] >= box.low[a] && place[a] <= box.high[a];
            const auto from = [&](int a) { return place[a] - box.low[a] + ROOM; };
            if (within) in[static_cast<size_t>((from(0) * size[1] + from(1)) * size[2] + from(2))] = part[static_cast<size_t>(w_.at[one.index])];
        }
        if (r_.first[organ] < r_.first[organ + 1]) keep_what_touches(in, size);
        const auto may = [&](int32_t n) -> uint8_t {
            const int32_t z = n / (size[1] * size[2]) + box.low[0] - ROOM, y = n / size[2] % size[1] + box.low[1] - ROOM, x = n % size[2] + box.low[2] - ROOM;
            if (!v_.holds(z, y, x)) return HoleFinder::FIXED;
            const int64_t here = v_.index(z, y, x);
            const int32_t label = w_.at[here];
            const bool closed = r_.conduit[v_.at[here]] || v_.at_face(z, y, x);
            if (label == organ) return closed ? HoleFinder::FIXED : 0;
            return part[static_cast<size_t>(label)] ? HoleFinder::FIXED : closed ? 0 : HoleFinder::OPEN;
        };
        const int32_t* betti = r_.betti + 3 * organ;
        std::vector<HoleFinder::Set> joining, leaving;
        HoleFinder(size, std::move(in), r_.tear).find(betti[0] - betti[1] + betti[2], may, joining, leaving);
        const auto placed = [&](const std::vector<HoleFinder::Set>& sets) {
            std::vector<std::vector<int64_t>> out;
            for (const auto& one : sets) {
                std::vector<int64_t>& own = out.emplace_back();
                for (const int32_t n : one) {
                    const int32_t place[3] = {n / (size[1] * size[2]), n / size[2] % size[1], n % size[2]};
                    own.push_back(v_.index(box.low[0] - ROOM + place[0], box.low[1] - ROOM + place[1], box.low[2] - ROOM + place[2]));
                }
            }
            return out;
        };
        return {organ, placed(joining), placed(leaving)};
    }

    // Of marks 1 (an organ) and 2 (what it may hold): the pieces of 2 that touch 1 become 1, others 0.
    static void keep_what_touches(std::vector<uint8_t>& marks, const std::array<int32_t, 3>& size) {
        const int32_t nxy = size[1] * size[2];
        std::vector<int32_t> front;
        const auto reach = [&](int32_t from) {
            for (int row = 0; row < 9; row++) {
                const int32_t first = from + (row / 3 - 1) * nxy + (row % 3 - 1) * size[2] - 1;
                uint32_t three = 0;
                std::memcpy(&three, marks.data() + first, 3);
                if (!(three & 0x020202u)) continue;
                for (int32_t at = first; at < first + 3; at++)
                    if (marks[static_cast<size_t>(at)] == 2) marks[static_cast<size_t>(at)] = 3, front.push_back(at);
            }
        };
        size_t at = 0;
        for (; at + 8 <= marks.size(); at += 8) {
            uint64_t eight;
            std::memcpy(&eight, marks.data() + at, 8);
            for (eight &= 0x0101010101010101u; eight; eight &= eight - 1) {
                const size_t one = at + static_cast<size_t>(__builtin_ctzll(eight) / 8);
                if (marks[one] == 1) reach(static_cast<int32_t>(one));
            }
        }
        for (; at < marks.size(); at++)
            if (marks[at] == 1) reach(static_cast<int32_t>(at));
        for (size_t n = 0; n < front.size(); n++) reach(front[n]);
        for (uint8_t& mark : marks) mark = mark & 1;
    }

    // All voxels of a set go to the organ, each when the organ that it had stays whole without it; else none does.
    void join(std::vector<int64_t> left, int32_t organ) {
        const size_t kept = mended.size();
        while (!left.empty()) {
            std::vector<int64_t> later;
            for (const int64_t at : left) {
                const int32_t own = w_.at[at];
                if (own == organ) continue;
                if (!inside(at) || r_.conduit[v_.at[at]]) return take_back(kept);
                if (r_.judged[own] && !is_simple(around(at, own))) later.push_back(at);
                else set(at, organ);
            }
            if (later.size() == left.size()) return take_back(kept);
            left = std::move(later);
        }
    }
    void leave(std::vector<int64_t> left, int32_t organ) {
        const size_t kept = mended.size();
        while (!left.empty()) {
            std::vector<int64_t> later;
            for (const int64_t at : left) {
                if (w_.at[at] != organ) continue;
                bool beside = false;  // a vessel runs there, to which the strand may belong
                for (const int64_t step : step_) beside |= r_.conduit[v_.at[at + step]] != 0;
                const int32_t to = beside ? -1 : taker(at, true);
                if (to < 0) later.push_back(at);
                else set(at, to);
            }
            if (later.size() == left.size()) return take_back(kept);
            left = std::move(later);
        }
    }
};

}  // namespace physsim
