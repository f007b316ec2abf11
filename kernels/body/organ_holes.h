// Small holes of one organ and thin strands round them: which voxels would have to join or leave it.
//
// Holes: from all that lies within two voxels of the organ, what can go without a change of topology goes, the farthest first; what is
// left closes holes. Strands: from its deepest voxel the organ is grown again, the deepest first, while that changes no topology; what is
// left bridges holes. (Region growing by simple points: J.-F. Mangin et al., J. Math. Imaging Vis. 5 (1995) 297.)
#pragma once
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "body/simple.h"

namespace physsim {

// A box of voxels round an organ, three of them empty on every side. `in`: 1 where the organ (with what it holds) is.
class HoleFinder {
  public:
    using Set = std::vector<int32_t>;
    enum : uint8_t { OPEN = 1, FIXED = 2 };  // may join; may not leave

    HoleFinder(const std::array<int32_t, 3>& size, std::vector<uint8_t> in, int32_t most)
        : nx_(size[2]), nxy_(size[1] * size[2]), count_(size[0] * size[1] * size[2]), most_(most), size_(size), set_(std::move(in)) {
        for (int n = 0; n < 27; n++) step_[n] = (n / 9 - 1) * nxy_ + (n / 3 % 3 - 1) * nx_ + n % 3 - 1;
    }

    // Sets that join and leave, until the Euler characteristic is `wanted`. may(voxel): OPEN and FIXED. An organ which differs by more than
    // MOST_HOLES is pierced by a tree, and left alone.
    template <typename May>
    void find(int32_t wanted, const May& may, std::vector<Set>& joining, std::vector<Set>& leaving) {
        wanted_ = wanted, euler_ = euler();
        if (euler_ == wanted_ || euler_ - wanted_ > MOST_HOLES || wanted_ - euler_ > MOST_HOLES) return;
        const auto all_are = [&](const Set& voxels, uint8_t mask, uint8_t value) {
            return std::all_of(voxels.begin(), voxels.end(), [&](int32_t at) { return (may(at) & mask) == value; });
        };
        const auto open = [&](const Set& voxels) { return all_are(voxels, OPEN, OPEN); };
        seen_.assign(static_cast<size_t>(count_), 0);
        own_ = listed(set_);
        fill_cavities(joining, open);
        if (euler_ < wanted_) close_holes(joining, open);
        if (euler_ < wanted_ && own_.size() <= LARGEST) cut_strands(leaving, [&](const Set& voxels) { return all_are(voxels, FIXED, 0); });
    }

  private:
    static constexpr size_t LARGEST = 400000;  // voxels of an organ whose strands are looked for: it takes a second a million
    static constexpr int32_t MOST_HOLES = 512, FAR = 8192;  // voxels of an outside that is taken for open
    int32_t nx_, nxy_, count_, most_, wanted_ = 1, euler_ = 0, step_[27];
    std::array<int32_t, 3> size_;
    std::vector<uint8_t> set_, seen_;
    Set own_;  // the organ's voxels at first

    // The cube of marks (0 or 1) about a voxel.
    uint32_t around(const std::vector<uint8_t>& marks, int32_t at) const {
        uint32_t cube = 0;
        for (int row = 0; row < 9; row++) {
            uint32_t three = 0;
            std::memcpy(&three, marks.data() + at + step_[3 * row], 3);
            three &= 0x010101u;
            cube |= ((three | three >> 7 | three >> 14) & 7u) << 3 * row;
        }
        return cube;
    }
    // The voxels that are marked. None is outermost in the box: their neighbours are all in it.
    Set listed(const std::vector<uint8_t>& marks) const {
        Set found;
        int32_t at = 0;
        for (; at + 8 <= count_; at += 8) {
            uint64_t eight;
            std::memcpy(&eight, marks.data() + at, 8);
            for (; eight; eight &= eight - 1) found.push_back(at + __builtin_ctzll(eight) / 8);
        }
        for (; at < count_; at++)
            if (marks[static_cast<size_t>(at)]) found.push_back(at);
        return found;
    }

    int32_t euler() const {
        int32_t eighths = 0;
        // of the corner between eight voxels: what it and its edges, faces and cubes add
        static const auto part = [] {
            std::array<int8_t, 256> own{};
            for (int set = 1; set < 256; set++) {
                int cubes = __builtin_popcount(static_cast<unsigned>(set)), faces = 0, edges = 0;
                for (int axis = 0; axis < 3; axis++)
                    for (int a = 0; a < 8; a++)
                        if (!(a >> axis & 1)) faces += (set >> a & 1) || (set >> (a | 1 << axis) & 1);
                for (int axis = 0; axis < 3; axis++)
                    for (int side = 0; side < 2; side++) {
                        bool any = false;
                        for (int a = 0; a < 8; a++) any |= (a >> axis & 1) == side && (set >> a & 1);
                        edges += any;
                    }
                own[static_cast<size_t>(set)] = static_cast<int8_t>(8 - 4 * edges + 2 * faces - cubes);
            }
            return own;
        }();
        for (int32_t z = 0; z + 1 < size_[0]; z++)
            for (int32_t y = 0; y + 1 < size_[1]; y++) {
                const uint8_t* row = set_.data() + z * nxy_ + y * nx_;
                const auto eight = [](const uint8_t* from) { uint64_t word; std::memcpy(&word, from, 8); return word; };
                const auto even = [&](int32_t x) {  // eight columns within the organ or outside it add nothing
                    const uint64_t a = eight(row + x), b = eight(row + x + nx_), c = eight(row + x + nxy_), d = eight(row + x + nxy_ + nx_);
                    return (a | b | c | d) == 0 || (a & b & c & d) == 0x0101010101010101u;
                };
                const auto column = [&](int32_t x) { return row[x] | row[x + nx_] << 2 | row[x + nxy_] << 4 | row[x + nxy_ + nx_] << 6; };
                int left = column(0);
                for (int32_t x = 1; x < size_[2]; x++) {
                    while (x + 7 <= size_[2] && even(x - 1)) x += 7, left = column(x - 1);
                    if (x == size_[2]) break;
                    const int right = column(x);
                    if (left | right) eighths += part[static_cast<size_t>(left | right << 1)];
                    left = right;
                }
            }
        return eighths / 8;
    }

    // The voxels that can be reached by faces from one outside the organ; no more than `most` of them and one.
    void flood(int32_t from, size_t most, Set& found) {
        found.assign(1, from), seen_[static_cast<size_t>(from)] = 1;
        for (size_t n = 0; n < found.size() && found.size() <= most; n++)
            for (const int32_t step : {-nxy_, -nx_, -1, 1, nx_, nxy_}) {
                const int32_t at = found[n] + step;
                if (at < 0 || at >= count_ || seen_[static_cast<size_t>(at)] || set_[static_cast<size_t>(at)]) continue;
                seen_[static_cast<size_t>(at)] = 1, found.push_back(at);
            }
        for (const int32_t at : found) seen_[static_cast<size_t>(at)] = 0;
    }

    // Cavities of few voxels that all may join.
    template <typename Open>
    void fill_cavities(std::vector<Set>& joining, const Open& open) {
        Set cavity;
        for (const int32_t beside : own_) {
            const int32_t at = beside + 1;  // the first voxel of a cavity has the organ before it on all three axes
            if (set_[static_cast<size_t>(at)] || !set_[static_cast<size_t>(at - nx_)] || !set_[static_cast<size_t>(at - nxy_)]) continue;
            flood(at, static_cast<size_t>(most_), cavity);
            if (static_cast<int32_t>(cavity.size()) > most_ || !open(cavity)) continue;
            for (const int32_t one : cavity) set_[static_cast<size_t>(one)] = 1;
            joining.push_back(cavity), euler_--;
        }
    }

    // Whether what lies beside a set on each of its sides is open: a set must not close the mouth of a cavity. An outside that reaches one
    // which is open is open.
    bool leaves_open(const Set& voxels) {
        bool all = true;
        Set known;  // voxels of outsides that are open
        for (size_t n = 0; n < voxels.size() && all; n++)
            for (const int32_t step : {-nxy_, -nx_, -1, 1, nx_, nxy_}) {
                const int32_t from = voxels[n] + step;
                if (set_[static_cast<size_t>(from)] || seen_[static_cast<size_t>(from)]) continue;
                const size_t first = known.size();
                bool is_open = false;
                known.push_back(from), seen_[static_cast<size_t>(from)] = 2;
                for (size_t m = first; m < known.size() && known.size() - first <= FAR && !is_open; m++)
                    for (const int32_t face : {-nxy_, -nx_, -1, 1, nx_, nxy_}) {
                        const int32_t at = known[m] + face;
                        if (at < 0 || at >= count_ || set_[static_cast<size_t>(at)]) continue;
                        if (!seen_[static_cast<size_t>(at)]) seen_[static_cast<size_t>(at)] = 2, known.push_back(at);
                        else is_open = is_open || seen_[static_cast<size_t>(at)] == 1;
                    }
                is_open = is_open || known.size() - first > FAR || std::find(known.begin() + static_cast<std::ptrdiff_t>(first), known.end(), 0) != known.end();
                for (size_t m = first; m < known.size(); m++) seen_[static_cast<size_t>(known[m])] = 1;
                if (!is_open) {
                    all = false;
                    break;
                }
            }
        for (const int32_t at : known) seen_[static_cast<size_t>(at)] = 0;
        return all;
    }

    // Pieces (26 neighbours) of what is marked, smallest first; only those of few voxels.
    std::vector<Set> small_pieces(std::vector<uint8_t>& marks, int32_t most) const {
        std::vector<Set> found;
        for (const int32_t from : listed(marks)) {
            if (!marks[static_cast<size_t>(from)]) continue;
            Set piece(1, from);
            marks[static_cast<size_t>(from)] = 0;
            for (size_t n = 0; n < piece.size(); n++)
                for (const int32_t step : step_) {
                    const size_t at = static_cast<size_t>(piece[n] + step);
                    if (marks[at]) marks[at] = 0, piece.push_back(static_cast<int32_t>(at));
                }
            if (static_cast<int32_t>(piece.size()) <= most) found.push_back(std::move(piece));
        }
        std::stable_sort(found.begin(), found.end(), [](const Set& a, const Set& b) { return a.size() < b.size(); });
        return found;
    }

    // Puts a set into the organ, or takes it out; takes it back unless tunnels go by that, and no more than wanted. Whether it stays.
    bool changed(const Set& voxels, bool join) {
        int32_t change = 0;
        for (const int32_t at : voxels) {
            const int32_t own = euler_of_joining(around(set_, at));
            change += join ? own : -own;
            set_[static_cast<size_t>(at)] = join;
        }
        const bool stays = change > 0 && euler_ + change <= wanted_ && (!join || leaves_open(voxels));
        if (stays) euler_ += change;
        else for (const int32_t at : voxels) set_[static_cast<size_t>(at)] = !join;
        return stays;
    }

    template <typename Open>
    void close_holes(std::vector<Set>& joining, const Open& open) {
        std::vector<uint8_t> left = set_, ring(static_cast<size_t>(count_), 0);  // ring 1 is beside the organ, 2 the next
        std::array<Set, 2> order;
        for (uint8_t step = 0; step < 2; step++)
            for (const int32_t at : step ? order[0] : own_) {
                bool edge = step > 0;
                for (int face = 0; face < 27 && !edge; face++) edge = (CUBE.faces >> face & 1) && !set_[static_cast<size_t>(at + step_[face])];
                if (!edge) continue;
                for (const int32_t to : step_) {
                    const size_t next = static_cast<size_t>(at + to);
                    if (!left[next]) left[next] = 1, ring[next] = static_cast<uint8_t>(step + 1), order[step].push_back(static_cast<int32_t>(next));
                }
            }
        // first those of ring 2, and of a ring those with fewest neighbours of the ring within: what is left lies deep in a hole
        std::vector<uint8_t> neighbours(static_cast<size_t>(count_), 0);
        for (const int32_t at : order[0]) neighbours[static_cast<size_t>(at)] = static_cast<uint8_t>(__builtin_popcount(around(set_, at)));
        for (const int32_t at : order[1])
            for (const int32_t to : step_) neighbours[static_cast<size_t>(at)] += ring[static_cast<size_t>(at + to)] == 1;
        std::vector<uint8_t>& waits = seen_;
        for (int far = 2; far >= 1; far--) {
            std::array<Set, 28> waiting;
            size_t level = 0;
            const auto wait = [&](size_t at) {
                waits[at] = 1, waiting[neighbours[at]].push_back(static_cast<int32_t>(at));
                level = std::min<size_t>(level, neighbours[at]);
            };
            for (const int32_t at : order[static_cast<size_t>(far) - 1])
                if (left[static_cast<size_t>(at)]) wait(static_cast<size_t>(at));
            while (level < waiting.size()) {
                if (waiting[level].empty()) {
                    level++;
                    continue;
                }
                const int32_t at = waiting[level].back();
                waiting[level].pop_back(), waits[static_cast<size_t>(at)] = 0;
                if (!is_simple(around(left, at))) continue;
                left[static_cast<size_t>(at)] = 0;
                for (const int32_t to : step_) {
                    const size_t beside = static_cast<size_t>(at + to);
                    if (left[beside] && ring[beside] >= far && !waits[beside]) wait(beside);
                }
            }
        }
        for (size_t at = 0; at < left.size(); at++) left[at] &= ring[at] > 0;
        for (Set& piece : small_pieces(left, most_)) {
            if (euler_ >= wanted_) return;
            if (open(piece) && changed(piece, true)) joining.push_back(std::move(piece));
        }
    }

    template <typename Loose>
    void cut_strands(std::vector<Set>& leaving, const Loose& loose) {
        constexpr int DEEPEST = 31;
        std::vector<uint8_t> depth(static_cast<size_t>(count_), 0), grown(static_cast<size_t>(count_), 0);
        const Set whole = listed(set_);
        const auto relax = [&](int32_t at, bool back) {
            int least = DEEPEST - 1;
            for (int n = 0; n < 13; n++) least = std::min<int>(least, depth[static_cast<size_t>(at + step_[back ? 26 - n : n])]);
            uint8_t& own = depth[static_cast<size_t>(at)];
            own = static_cast<uint8_t>(back ? std::min<int>(own, least + 1) : least + 1);
        };
        for (const int32_t at : whole) relax(at, false);
        for (size_t n = whole.size(); n-- > 0;) relax(whole[n], true);
        int32_t start = -1;
        int deepest = 0;
        for (const int32_t at : whole)
            if (depth[static_cast<size_t>(at)] > deepest) start = at, deepest = depth[static_cast<size_t>(at)];
        if (start < 0) return;
        std::vector<uint8_t>& waits = seen_;
        std::vector<Set> waiting(DEEPEST + 1);
        int level = depth[static_cast<size_t>(start)];
        const auto reach = [&](int32_t at) {
            for (const int32_t to : step_) {
                const size_t next = static_cast<size_t>(at + to);
                if (!set_[next] || grown[next] || waits[next]) continue;
                waits[next] = 1, waiting[depth[next]].push_back(static_cast<int32_t>(next)), level = std::max<int>(level, depth[next]);
            }
        };
        grown[static_cast<size_t>(start)] = 1, reach(start);
        while (level > 0) {
            Set& own = waiting[static_cast<size_t>(level)];
            if (own.empty()) {
                level--;
                continue;
            }
            const int32_t at = own.back();
            own.pop_back(), waits[static_cast<size_t>(at)] = 0;
            if (!is_simple(around(grown, at))) continue;
            grown[static_cast<size_t>(at)] = 1, reach(at);
        }
        for (const int32_t at : whole) grown[static_cast<size_t>(at)] ^= 1;  // what is left
        for (Set& piece : small_pieces(grown, most_ / 2)) {
            if (euler_ >= wanted_) return;
            if (loose(piece) && changed(piece, false)) leaving.push_back(std::move(piece));
        }
    }
};

}  // namespace physsim
