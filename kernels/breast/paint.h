// Paints strips of bricks: the lobules near a brick are found once; of each sample its tissue, organ and level follow by lanes.
#pragma once
#include "breast/voxels.h"

namespace physsim {
namespace PHYSSIM_ISA {

class BreastPainter : BreastVoxels {
  public:
    // rows: 16 rows of profile's length, for its transposition.
    BreastPainter(const BreastJob& job, BreastRoom& room, float* profile, float* rows)
        : BreastVoxels(job, room), r_(job.recipe), profile_(profile), rows_(rows), h_(job.spacing / static_cast<float>(job.part)) {
        const auto level = [&](float z) { return static_cast<int32_t>((z - job.node_origin[2]) / job.node_step[1]); };
        const int32_t last = job.node_shape[2] - 1, top = level(static_cast<float>(job.end + job.brick[0]) * job.spacing) + 2;
        const int32_t bottom = level(static_cast<float>(job.begin) * job.spacing);
        level_end_ = top < last ? top : last;
        level_begin_ = bottom < level_end_ - 3 ? bottom : level_end_ - 3;  // at least a lane's length
    }

    // The bricks of the rows from strip x brick[1] on; whether their cells had room.
    bool strip(int32_t strip) {
        j_first_ = strip * job_.brick[1], j_last_ = j_first_ + job_.brick[1] < job_.ny ? j_first_ + job_.brick[1] : job_.ny;
        const int32_t tiles = (job_.nx + job_.brick[2] - 1) / job_.brick[2];
        double* volumes = job_.volumes + int64_t{strip} * BreastOrgan::COUNT * BreastPart::COUNT;
        for (int32_t tile = 0; tile < tiles; tile++) {
            i_first_ = tile * job_.brick[2], bin_ = int64_t{strip} * tiles + tile;
            i_last_ = i_first_ + job_.brick[2] < job_.nx ? i_first_ + job_.brick[2] : job_.nx;
            if (!place_columns()) {
                fill_air(job_.begin, job_.end);
                continue;
            }
            fill_profile();
            for (auto& organ : m_.sums) for (auto& part : organ) store(part, F(0.0f));
            carry(false);
            for (int32_t k = job_.begin; k < job_.end; k += job_.brick[0])
                if (!brick(k)) return false;
            carry(true);
            for (int organ = 0; organ < BreastOrgan::COUNT; organ++)
                for (int part = 0; part < BreastPart::COUNT; part++)
                    for (int l = 0; l < LANES; l++) volumes[organ * BreastPart::COUNT + part] += static_cast<double>(m_.sums[organ][part][l]);
        }
        return true;
    }

  private:
    const BreastRecipe& r_;
    float *profile_, *rows_;
    const float h_;
    int32_t level_begin_ = 0, level_end_ = 0;
    int64_t bin_ = 0;

    bool place_columns() {
        const int32_t part = job_.part;
        for (int32_t c = 0; c < columns_; c++) {
            const int32_t sj = c / across_, si = c - sj * across_, j = j_first_ * part + sj, i = i_first_ * part + si;
            m_.columns.x[c] = (static_cast<float>(i) + 0.5f) * h_, m_.columns.y[c] = job_.y0 + (static_cast<float>(j) + 0.5f) * h_;
            m_.columns.used[c] = sj < deep_ && i < i_last_ * part && j < j_last_ * part ? 1.0f : 0.0f;
        }
        m_.columns.place(job_, columns_, h_);
        return m_.columns.any_used;
    }

    // Fields on the levels of nodes that the slab meets, bilinear across the beam.
    void fill_profile() {
        const int32_t nx = job_.node_shape[1], nz = job_.node_shape[2];
        const int32_t length = (level_end_ - level_begin_ + 1) * BREAST_CHANNELS, padded = (length + LANES - 1) / LANES * LANES;
        const float inverse = 1.0f / job_.node_step[0];
        const auto between = [](float at, int32_t count, int32_t& cell) {
            at = at > 0.0f ? at : 0.0f;
            at = at < static_cast<float>(count) - 1.001f ? at : static_cast<float>(count) - 1.001f;
            cell = static_cast<int32_t>(at);
            return at - static_cast<float>(cell);
        };
        for (int32_t c = 0; c < columns_; c += LANES) {
            for (int l = 0; l < LANES; l++) {
                int32_t p, q;
                const float fp = between((m_.columns.x[c + l] - job_.node_origin[0]) * inverse, nx, p);
                const float fq = between((m_.columns.y[c + l] - job_.node_origin[1]) * inverse, job_.node_shape[0], q);
                const auto node = [&](int32_t j, int32_t i) { return job_.nodes + (int64_t{j} * nx + i) * nz * BREAST_CHANNELS + level_begin_ * BREAST_CHANNELS; };
                const float *n00 = node(q, p), *n01 = node(q, p + 1), *n10 = node(q + 1, p), *n11 = node(q + 1, p + 1);
                const F a00((1.0f - fq) * (1.0f - fp)), a01((1.0f - fq) * fp), a10(fq * (1.0f - fp)), a11(fq * fp);
                for (int32_t n = 0; n < length; n += LANES) {
                    const int32_t at = n + LANES <= length ? n : length - LANES;  // the last ones overlap
                    store(rows_ + int64_t{l} * padded + at, a00 * load(n00 + at) + a01 * load(n01 + at) + a10 * load(n10 + at) + a11 * load(n11 + at));
                }
            }
            for (int32_t n = 0; n < padded; n += LANES) transpose<false>(profile_ + int64_t{n} * columns_ + c, columns_, rows_ + n, padded);
        }
    }

    // A slice of samples: its place and where the fields of its columns stand.
    struct Slice {
        float z, share;
        const float* low;
    };
    Slice slice(int32_t k_first, int32_t s) const {
        const float z = (static_cast<float>(k_first * job_.part + s) + 0.5f) * h_, level = (z - job_.node_origin[2]) / job_.node_step[1];
        const int32_t cell = static_cast<int32_t>(level);
        return {z, level - static_cast<float>(cell), profile_ + int64_t{cell - level_begin_} * BREAST_CHANNELS * columns_};
    }
    F field(const Slice& at, int channel, int32_t c) const {
        const float* own = at.low + int64_t{channel} * columns_ + c;
        const F low = load(own), high = load(own + int64_t{BREAST_CHANNELS} * columns_);
        return low + F(at.share) * (high - low);
    }

    bool brick(int32_t k_first) {
        const int32_t slices = (job_.end - k_first < job_.brick[0] ? job_.end - k_first : job_.brick[0]) * job_.part;
        M any_covered = F(1.0f) < F(0.0f), any_inner = any_covered;
        const F inverse(1.0f / h_), half(0.5f);
        for (int32_t s = 0; s < slices; s++) {
            const F across(slice(k_first, s).z - r_.half);
            for (int32_t c = 0; c < columns_; c += LANES) {
                const F d = m_.columns.depth(job_, c, across), covered = clipped(d * inverse + half) * load(m_.columns.used + c);
                const F inner = minimum(clipped((d - load(m_.columns.skin + c)) * inverse + half), covered);
                const int32_t n = s * columns_ + c;
                store(m_.covered + n, covered), store(m_.skin + n, covered - inner);
                any_covered = any_covered | (F(0.0f) < covered), any_inner = any_inner | (F(0.0f) < inner);
                outside(n, c);
            }
        }
        if (!any(any_covered)) return fill_air(k_first, k_first + slices / job_.part), true;
        if (any(any_inner) && !piece(k_first, 0, slices, 0, columns_, find_segments(k_first))) return false;
        store_voxels(k_first, slices / job_.part);
        return true;
    }

    F inner_of(int32_t n) const { return load(m_.covered + n) - load(m_.skin + n); }

    // Samples within the skin of some slices and columns of a brick; in halves where their cells have no room.
    bool piece(int32_t k_first, int32_t s_first, int32_t s_end, int32_t c_first, int32_t c_end, int segments) {
        F low[3] = {F(1e9f), F(1e9f), F(1e9f)}, high[3] = {F(-1e9f), F(-1e9f), F(-1e9f)};
        M some = F(1.0f) < F(0.0f);
        for (int32_t s = s_first; s < s_end; s++) {
            const Slice at = slice(k_first, s);
            for (int32_t c = c_first; c < c_end; c += LANES) {
                const M within = F(0.0f) < inner_of(s * columns_ + c);
                if (!any(within)) continue;
                some = some | within;
                for (int axis = 0; axis < 3; axis++) {
                    const F place = field(at, axis, c);
                    low[axis] = select(within, minimum(low[axis], place), low[axis]), high[axis] = select(within, maximum(high[axis], place), high[axis]);
                }
            }
        }
        if (!any(some)) return true;
        if (!find_cells(low, high)) {
            const int32_t s_half = (s_first + s_end) / 2, c_half = (c_first + c_end) / 2 / LANES * LANES;
            if (s_half > s_first) return piece(k_first, s_first, s_half, c_first, c_end, segments) && piece(k_first, s_half, s_end, c_first, c_end, segments);
            if (c_half > c_first) return piece(k_first, s_first, s_end, c_first, c_half, segments) && piece(k_first, s_first, s_end, c_half, c_end, segments);
            return one_by_one(slice(k_first, s_first), s_first * columns_ + c_first, c_first, segments);
        }
        for (int32_t s = s_first; s < s_end; s++) {
            const Slice at = slice(k_first, s);
            for (int32_t c = c_first; c < c_end; c += LANES) {
                const int32_t n = s * columns_ + c;
                const F inner = inner_of(n);
                const M within = F(0.0f) < inner;
                if (any(within)) inside(at, n, c, inner, within, segments);
            }
        }
        return true;
    }

    // The samples of one vector, each with the cells near it: where the map folds.
    bool one_by_one(const Slice& at, int32_t n, int32_t c, int segments) {
        const F inner = inner_of(n);
        const F place[3] = {field(at, 0, c), field(at, 1, c), field(at, 2, c)};
        for (int l = 0; l < LANES; l++) {
            const M own = (F(0.0f) < inner) & (lane_index() == I(l));
            if (!any(own)) continue;
            F low[3], high[3];
            for (int axis = 0; axis < 3; axis++) low[axis] = select(own, place[axis], F(1e9f)), high[axis] = select(own, place[axis], F(-1e9f));
            if (!find_cells(low, high)) return false;
            inside(at, n, c, inner, own, segments);
        }
        return true;
    }

    bool find_cells(const F (&low)[3], const F (&high)[3]) {
        float centre[3], square = 0.0f;
        for (int axis = 0; axis < 3; axis++) {
            alignas(64) float a[LANES], b[LANES];
            store(a, low[axis]), store(b, high[axis]);
            for (int l = 1; l < LANES; l++) a[0] = a[l] < a[0] ? a[l] : a[0], b[0] = b[l] > b[0] ? b[l] : b[0];
            centre[axis] = 0.5f * (a[0] + b[0]);
            square += 0.25f * (b[0] - a[0]) * (b[0] - a[0]);
        }
        const float radius = __builtin_sqrtf(square) * 1.0001f + 1e-4f;
        return m_.cells[0].find(job_.cells[0], centre, radius) && m_.cells[1].find(job_.cells[1], centre, radius);
    }

    // Segments of ducts and vessels that come near the brick; how many.
    int find_segments(int32_t k_first) {
        const float bottom = static_cast<float>(k_first) * job_.spacing, top = static_cast<float>(k_first + job_.brick[0]) * job_.spacing;
        int found = 0;
        for (int64_t n = job_.bin_first[bin_]; n < job_.bin_first[bin_ + 1] && found < BREAST_SEGMENTS; n++) {
            const float* s = job_.segments + 9 * job_.bin_members[n];
            const float wide = (s[6] > s[7] ? s[6] : s[7]) + h_;
            if ((s[2] < s[5] ? s[2] : s[5]) - wide < top && (s[2] > s[5] ? s[2] : s[5]) + wide > bottom) m_.near_segments[found++] = static_cast<int32_t>(job_.bin_members[n]);
        }
        return found;
    }

    void add(int32_t organ, int32_t part, M where, F amount) {
        float* sum = m_.sums[organ][part];
        store(sum, add_where(where, load(sum), amount));
    }

    // The skin of samples, and nothing within it.
    void outside(int32_t n, int32_t c) {
        const F none(0.0f), skin = load(m_.skin + n);
        store(m_.muscle + n, none), store(m_.blood + n, none), store(m_.gland + n, none);
        const M behind = none < load(m_.columns.back + c);
        add(BreastOrgan::ARMPIT, BreastPart::SKIN, behind, skin), add(BreastOrgan::SKIN, BreastPart::SKIN, ~behind, skin);
        if (!job_.organs) return;
        for (auto& one : m_.named) store(one + n, none);
        store(m_.named[NAMED_ORGANS - 1] + n, select(behind, skin, none));
    }

    void inside(const Slice& at, int32_t n, int32_t c, F inner, M within, int segments) {
        const F none(0.0f), one(1.0f), half(0.5f), x = load(m_.columns.x + c), y = load(m_.columns.y + c), z(at.z);
        F pectoral, muscle, gland(0.0f);
        muscle_at(job_, load(m_.columns.behind + c), y, z, h_, pectoral, muscle);
        const F mottle = field(at, 5, c);
        const M glandular = within & (pectoral < one);
        if (any(glandular)) {
            const Tissue tissue = {field(at, 0, c), field(at, 1, c), field(at, 2, c), field(at, 3, c) - F(r_.threshold), field(at, 4, c), mottle, field(at, 6, c)};
            gland = select(glandular, glandular_fraction(r_, job_.tile, m_.cells, tissue, glandular), none);
        }
        F nipple = none;
        const M beside = within & (none < load(m_.columns.near_nipple + c));
        if (any(beside)) {
            const F ahead = x - F(r_.nipple_x), side = y - F(r_.nipple_y), up = z - F(r_.half), off = square_root(side * side + up * up);
            nipple = select(beside, clipped(F(r_.nipple_radius + 1.0f) - off) * clipped((ahead + F(5.0f)) * half), none);
            // muscle and ducts under the areola, a cone towards the gland
            const F wide = F(r_.nipple_radius + 3.0f) + F(0.45f) * ahead;
            const F cone = clipped((wide - off + F(0.8f) * mottle) * F(0.4f) + half) * clipped((ahead + F(15.0f)) * F(0.25f));
            gland = select(beside, maximum(gland, F(0.85f) * cone), gland);
        }
        gland = gland * (one - pectoral);
        F duct = none, blood = none, node = none;
        for (int s = 0; s < segments; s++) {
            const float* row = job_.segments + 9 * m_.near_segments[s];
            F& own = row[8] > 0.5f ? blood : duct;
            own = maximum(own, capsule(row, x, y, z));
        }
        gland = maximum(gland, F(0.95f) * duct);
        for (int32_t e = 0; e < job_.ellipsoids_count; e++) lymph_node(job_.ellipsoids + 5 * e, x, y, z, one - pectoral, node, gland);
        gland = gland * (one - blood);
        muscle = muscle * pectoral * (one - blood);
        deposit(n, c, within, inner, gland, muscle, blood, pectoral, node, nipple, duct);
    }

    // Coverage by a tapered capsule.
    F capsule(const float* row, F x, F y, F z) const {
        const float dx = row[3] - row[0], dy = row[4] - row[1], dz = row[5] - row[2], square = dx * dx + dy * dy + dz * dz;
        F ax = x - F(row[0]), ay = y - F(row[1]), az = z - F(row[2]);
        const F t = clipped((ax * F(dx) + ay * F(dy) + az * F(dz)) * F(1.0f / (square + 1e-12f)));
        ax = ax - t * F(dx), ay = ay - t * F(dy), az = az - t * F(dz);
        const F radius = F(row[6]) + t * F(row[7] - row[6]), off2 = ax * ax + ay * ay + az * az, reach = radius + F(h_);
        const M near = off2 < reach * reach;
        if (!any(near)) return F(0.0f);
        return select(near, cord(radius, square_root(off2), F(h_)), F(0.0f));
    }

    // An ellipsoid of lymphatic tissue with a fatty hilum beside its middle.
    void lymph_node(const float* row, F x, F y, F z, F there, F& node, F& gland) const {
        F ax = x - F(row[0]), ay = y - F(row[1]);
        const F az = z - F(row[2]);
        if (!any(ax * ax + ay * ay + az * az < F(100.0f))) return;
        const auto reach = [&](float along, float across) {
            const F p = ax * F(1.0f / along), q = ay * F(1.0f / across), s = az * F(1.0f / across);
            return square_root(p * p + q * q + s * s);
        };
        const F value = clipped((F(1.0f) - reach(row[3], row[4])) * F(row[4] / (h_ > 0.3f ? h_ : 0.3f)) + F(0.5f));
        if (!any(F(0.0f) < value)) return;
        ax = ax - F(0.35f * row[3]), ay = ay + F(0.2f * row[4]);
        const F hilum = F(0.85f) * clipped((F(1.0f) - reach(0.5f * row[3], 0.45f * row[4])) * F(1.2f) + F(0.5f));
        node = maximum(node, value);
        gland = gland + there * value * (F(0.97f) * (F(1.0f) - hilum) - gland);
    }

    // Fractions of the samples and volumes of the organs.
    void deposit(int32_t n, int32_t c, M within, F inner, F gland, F muscle, F blood, F pectoral, F node, F nipple, F duct) {
        const F none(0.0f), half(0.5f), rest = inner * (F(1.0f) - blood);
        const F own_gland = inner * gland, own_muscle = inner * muscle, own_blood = inner * blood;
        const auto put = [&](float* at, F amount) { store(at + n, add_where(within, load(at + n), amount)); };
        put(m_.gland, own_gland), put(m_.muscle, own_muscle), put(m_.blood, own_blood);
        const F fat = maximum(rest - (own_gland + own_muscle), none);
        add(BreastOrgan::VESSELS, BreastPart::BLOOD, within, own_blood);
        // the first that holds
        M left = within;
        const M armpit = none < load(m_.columns.back + c);
        const M holds[NAMED_ORGANS] = {half < nipple, half < duct, half < node, half < pectoral, armpit};
        constexpr int ORDER[NAMED_ORGANS] = {3, 2, 0, 1, 4};
        for (int number : ORDER) {
            const M own = left & holds[number];
            if (!any(own)) continue;
            left = without(left, own);
            const int32_t organ = NAMED[number];
            add(organ, BreastPart::FAT, own, fat), add(organ, BreastPart::GLAND, own, own_gland), add(organ, BreastPart::MUSCLE, own, own_muscle);
            if (job_.organs) store(m_.named[number] + n, add_where(own, load(m_.named[number] + n), rest));
        }
        add(BreastOrgan::FAT, BreastPart::FAT, left, fat), add(BreastOrgan::GLAND, BreastPart::GLAND, left, own_gland);
        add(BreastOrgan::GLAND, BreastPart::MUSCLE, left, own_muscle);
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
