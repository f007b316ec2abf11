// Paints bricks front to back: the share left to what lies under begins with 1 and is multiplied by 1 - coverage.
#pragma once
#include "body/stored.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Structures whose boxes rows of bricks along x (first_y to before last_y, first_z to before last_z) can meet; how many.
static int structures_of_rows(const PaintJob& job, const BodyTables& t, int first_y, int last_y, int first_z, int last_z, int32_t* in_row) {
    float low[3] = {BODY_FAR, BODY_FAR, BODY_FAR}, high[3] = {-BODY_FAR, -BODY_FAR, -BODY_FAR};
    for (int bz = first_z; bz < last_z; bz++)
        for (int by = first_y; by < last_y; by++) {
            float from[3], to[3];
            if (job.lattice) curved_box(job, 0, (job.shape[2] + BRICK_X - 1) / BRICK_X - 1, by, bz, from, to);
            else straight_row_box(job, by, bz, from, to);
            for (int axis = 0; axis < 3; axis++) low[axis] = lesser(low[axis], from[axis]), high[axis] = greater(high[axis], to[axis]);
        }
    int found = 0;
    for (int32_t s = 0; s < t.structures; s++) {
        const float* box = t.structure_float + BODY_STRUCTURE_FLOATS * s;
        bool hit = true;
        for (int axis = 0; axis < 3; axis++) hit = hit && box[axis] <= high[axis] && box[axis + 3] >= low[axis];
        if (hit) in_row[found++] = s;
    }
    return found;
}

PHYSSIM_HD bool meets(const float* structure, const float* box) {
    bool hit = true;
    for (int axis = 0; axis < 3; axis++) hit = hit && structure[axis] <= box[axis + 3] && structure[axis + 3] >= box[axis];
    return hit;
}

constexpr float LITTLE = 1e-4f;  // transmitted share below which a brick is done
// In voxels: how much of a curved surface's distance a voxel's mean may differ by, how far from a surface and from its deepest layer
// that can matter, and how far outside distances beside such a voxel must be right.
constexpr float MOST_BENT = 0.25f, BENT_MATTERS = 0.76f, RIGHT_TO = 1.8f;

// What is painted, from what, with whose memory; and the brick at hand.
class Painter {
  public:
    Painter(const PaintJob& job, const BodyTables& tables, const BodyMoves& moves, const BranchLists& lists, BodyWork& work, BodyWork& beside)
        : job_(job), t_(tables), moves_(moves), lists_(lists), w_(work), halo_(job, tables, moves, lists, beside), left_(work.share), share_(left_ + BRICK_VOXELS), outer_(share_ + BRICK_VOXELS),
          shine_(outer_ + BRICK_VOXELS), other_(shine_ + BRICK_VOXELS), distance_(other_ + BRICK_VOXELS), best_(distance_ + BRICK_VOXELS) {}

    void brick(int bx, int by, int bz, const int32_t* in_row, int found) {
        w_.brick++;
        w_.brick_number = bx + (job_.shape[2] + BRICK_X - 1) / BRICK_X * (by + (job_.shape[1] + BRICK_Y - 1) / BRICK_Y * bz);
        brick_ = w_.brick;
        float box[BODY_BOX];
        const BrickCorner corner(bx, by, bz);
        if (job_.lattice) {
            curved_box(job_, bx, bx, by, bz, box, box + 3);
        } else {
            straight_middles(job_, corner, w_);
            for (int c = 0; c < BODY_BOX; c++) box[c] = w_.boxes[c];
        }
        int first = 0;
        while (first < found && !meets(t_.structure_float + BODY_STRUCTURE_FLOATS * in_row[first], box)) first++;
        if (first == found) return nothing(bx, by, bz);
        voxel_ = job_.lattice ? curved_middles(job_, corner, w_) : job_.voxel;
        inverse_ = 1.0f / voxel_, least_radius_ = 0.5f * voxel_, w_.margin = RIGHT_TO * voxel_;
        for (int c = 0; c < BODY_BOX; c++) box[c] = w_.boxes[c];
        corner_ = &corner, placed_ = 0, moved_ = 0;
        halo_.move_to(corner, w_);
        open_ = inside_grid(job_, bx, by, bz, left_);
        mass_ = {w_.mass, w_.material_touched, w_.material_blocks, brick_};
        volume_ = {w_.volume, w_.organ_touched, w_.organ_blocks, brick_};
        for (int b = 0; b < BLOCKS; b++) most_left_[b] = open_ >> b & 1 ? 1.0f : 0.0f;
        medium_ = -1, measured_ = 0, inside_of_ = -1;
        if (moves_.moving) moved_ = ALL_BLOCKS, place(ALL_BLOCKS), from_.keep(w_);
        const uint32_t all = open_;
        painted_ = false;
        bool more = true;
        for (int m = first; m < found && more; m++)
            if (meets(t_.structure_float + BODY_STRUCTURE_FLOATS * in_row[m], box)) more = structure(in_row[m]);
        if (!painted_) return nothing(bx, by, bz);
        const float one = 1.0f;
        in_blocks<BLOCK_VOXELS>(all, [&](int at) {
            if (most_left_[at / BLOCK_VOXELS] > 0.0f) deposit_in(0, 0, at, left_, &one, true);
        });
        alignas(64) int32_t label_of[BRICK_VOXELS], organ_of[BRICK_VOXELS];
        with_most(volume_, t_.organs, best_, organ_of, distance_);
        with_most(mass_, t_.materials, best_, label_of, distance_);
        store_brick(job_, bx, by, bz, label_of, organ_of, distance_, t_.material_density);
    }

  private:
    const PaintJob& job_;
    const BodyTables& t_;
    const BodyMoves& moves_;
    const BranchLists& lists_;
    BodyWork& w_;
    Halo halo_;
    Averages averages_;
    float *left_, *share_, *outer_, *shine_, *other_, *distance_, *best_;
    float voxel_ = 0.0f, inverse_ = 0.0f, least_radius_ = 0.0f, most_left_[BLOCKS] = {};
    int32_t brick_ = 0, medium_ = -1;
    uint32_t open_ = 0, placed_ = 0;  // blocks where something is left for what lies under; whose voxels have coordinates
    const BrickCorner* corner_ = nullptr;
    bool painted_ = false;
    uint32_t moved_ = 0, measured_ = 0;  // whose voxels lie where their medium was at rest; whose change of volume is known
    Touched mass_ = {}, volume_ = {};
    int32_t inside_of_ = -1;  // the structure whose coverage is kept for that round it, and where
    uint32_t inside_blocks_ = 0;
    Unmoved from_;
    alignas(64) float denser_[BRICK_VOXELS], inside_[BRICK_VOXELS];

    float* whole(int32_t number) const { return w_.whole + int64_t{BRICK_VOXELS} * number; }

    // A brick of background alone.
    void nothing(int bx, int by, int bz) {
        store_background(job_, bx, by, bz);
        const auto of = [](int32_t size, int32_t begin, int32_t edge) { return int64_t{size - begin < edge ? size - begin : edge}; };
        const int64_t voxels = of(job_.shape[2], bx * BRICK_X, BRICK_X) * of(job_.shape[1], by * BRICK_Y, BRICK_Y) * of(job_.shape[0], bz * BRICK_Z, BRICK_Z);
        w_.volumes[0] += BODY_FIXED * voxels, w_.masses[0] += BODY_FIXED * voxels;
    }

    // Coordinates for the voxels of blocks that have none yet.
    void place(uint32_t mask) {
        in_blocks<BLOCK_VOXELS>(mask & ~placed_, [&](int at) {
            if (job_.lattice) curved_voxels(job_, *corner_, at / BLOCK_VOXELS, w_);
            else straight_voxels(job_, *corner_, at / BLOCK_VOXELS, w_);
        });
        placed_ |= mask;
        if (!moves_.moving) return;
        in_blocks<BLOCK_VOXELS>(mask & ~moved_, [&](int at) {
            unmoved_places<BLOCK_VOXELS, BRICK_VOXELS>(moves_, medium_, from_.whole + at, w_.whole + at);
        });
        moved_ |= mask;
    }

    // Paints a structure; whether anything is left for those under it.
    bool structure(int32_t s) {
        if (moves_.moving && moves_.medium[s] != medium_) {
            medium_ = moves_.medium[s];
            w_.brick++;
            move_brick(medium_, moves_, from_, w_);
            moved_ = measured_ = 0;
        }
        const int32_t* own = t_.structure_int + BODY_STRUCTURE_INTS * s;
        const int32_t code = own[0], distance = own[1], organs = own[2], thin = own[3], last = own[5];
        run<BLOCKS>(code, t_, w_, lists_, least_radius_, ALL_BLOCKS);
        const F low = load(w_.limits + 2 * BLOCKS * distance), high = load(w_.limits + 2 * BLOCKS * distance + BLOCKS);
        const float deepest = t_.structure_float[BODY_STRUCTURE_FLOATS * s + 6];
        const uint32_t near = bits(low <= F(voxel_)) & open_;
        if (!near) return true;
        const bool plain = thin < 0 && organs < 0;
        const uint32_t full = plain ? bits(high < F(-(voxel_ + deepest))) & near : 0u;
        uint32_t surface = near & ~full;
        if (surface) {
            place(surface);
            run<BLOCK_VOXELS>(code, t_, w_, lists_, least_radius_, surface);
            if (thin < 0) average(own, surface);
            else in_blocks<BLOCK_VOXELS>(surface, [&](int at) { for (int i = at; i < at + BLOCK_VOXELS; i++) distance_[i] = whole(distance)[i]; });
            surface = covered_blocks(thin >= 0 ? whole(thin) : nullptr, surface);
        }
        if (own[6] && inside_of_ == s - 1) in_blocks<BLOCK_VOXELS>(surface & inside_blocks_, [&](int at) { nested(inside_ + at, outer_ + at, shine_ + at); });
        if (!(surface | full)) return true;
        if (s + 1 < t_.structures && own[BODY_STRUCTURE_INTS + 6]) {
            in_blocks<BLOCK_VOXELS>(surface, [&](int at) { for (int i = at; i < at + BLOCK_VOXELS; i++) inside_[i] = outer_[i]; });
            inside_of_ = s, inside_blocks_ = surface;
        }
        painted_ = true;
        for (int32_t n = own[4]; n < last; n++) layer(s, n, last, organs, surface, full);
        return cover(surface, full);
    }

    // Means of a structure's distance in the blocks of `surface`. What stands beside them is found out where it matters: where something
    // is left, at the structure's surface and at those of its layers.
    void average(const int32_t* structure, uint32_t surface) {
        const int32_t code = structure[0], distance = structure[1];
        const float room = BENT_MATTERS * voxel_, *d = whole(distance);
        uint32_t beside = 0, halves = 0;
        in_blocks<BLOCK_VOXELS>(surface, [&](int at) {
            uint64_t some = near_depth(d + at, nullptr, 0.0f, room, left_ + at);
            for (int32_t n = structure[4] + 1; n < structure[5]; n++) {
                const int32_t depths = t_.layer_int[BODY_LAYER_INTS * n + 2];
                some |= near_depth(d + at, depths >= 0 ? whole(depths) + at : nullptr, t_.layer_float[BODY_LAYER_FLOATS * n], room, left_ + at);
            }
            add_beside(some, at / BLOCK_VOXELS, beside, halves);
        });
        beside &= ~surface;
        if (beside) place(beside), run<BLOCK_VOXELS>(code, t_, w_, lists_, least_radius_, beside);
        const float* halo = halves ? halo_.made(code, distance, medium_, halves, least_radius_) : nullptr;
        averages_.make(d, surface | beside, halo, halves, distance_, surface, MOST_BENT * voxel_);
    }

    // Coverage in the blocks of `surface`; those where there is any.
    uint32_t covered_blocks(const float* thin, uint32_t surface) {
        uint32_t some = 0;
        in_blocks<BLOCK_VOXELS>(surface, [&](int at) {
            if (outer_coverage(distance_ + at, thin ? thin + at : nullptr, inverse_, outer_ + at, shine_ + at) > 0.0f) some |= 1u << at / BLOCK_VOXELS;
        });
        return some;
    }

    // Takes what a structure covers from what is left; whether that is more than a little anywhere.
    bool cover(uint32_t surface, uint32_t full) {
        in_blocks<BLOCK_VOXELS>(full, [&](int at) { filled<BLOCK_VOXELS>(left_ + at, 0.0f), most_left_[at / BLOCK_VOXELS] = 0.0f; });
        in_blocks<BLOCK_VOXELS>(surface, [&](int at) {
            PHYSSIM_OVER_VOXELS
            for (int i = at; i < at + BLOCK_VOXELS; i++) left_[i] *= shine_[i];
            most_left_[at / BLOCK_VOXELS] = largest_of(left_ + at);
        });
        float most = 0.0f;
        for (int b = 0; b < BLOCKS; b++) {
            most = greater(most, most_left_[b]);
            if (most_left_[b] == 0.0f) open_ &= ~(1u << b);
        }
        return most >= LITTLE;
    }

    // One layer in the blocks that hold the surface; the last one also in those which lie deeper everywhere.
    void layer(int32_t s, int32_t n, int32_t last, int32_t organs, uint32_t surface, uint32_t full) {
        const int32_t *own = t_.layer_int + BODY_LAYER_INTS * n, next = n + 1 < last ? own[BODY_LAYER_INTS + 2] : -1;
        const float depth = n + 1 < last ? t_.layer_float[BODY_LAYER_FLOATS * (n + 1)] : 0.0f;
        uint32_t some = 0;
        in_blocks<BLOCK_VOXELS>(surface, [&](int at) {
            const float most = n + 1 == last ? last_share(left_ + at, outer_ + at, share_ + at)
                : layer_share(left_ + at, distance_ + at, next >= 0 ? whole(next) + at : nullptr, depth, inverse_, outer_ + at, share_ + at);
            if (most > 0.0f) some |= 1u << at / BLOCK_VOXELS;
        });
        if (n + 1 == last) {
            in_blocks<BLOCK_VOXELS>(full, [&](int at) { for (int i = at; i < at + BLOCK_VOXELS; i++) share_[i] = left_[i]; });
            some |= full;
        }
        if (!some) return;
        bool uniform = own[3] < 0;
        float* density = w_.scratch + 2 * BRICK_VOXELS;
        const float number = t_.layer_float[BODY_LAYER_FLOATS * n + 1];
        if (!uniform) {
            program(own[3], some);
            const float* made = whole(own[4]);
            in_blocks<BLOCK_VOXELS>(some, [&](int at) { for (int i = at; i < at + BLOCK_VOXELS; i++) density[i] = made[i]; });
        }
        if (medium_ >= 0 && moves_.thins[s] == 1 && medium_ < moves_.media) {
            thin_out(density, uniform, number, some);
            uniform = false;
        }
        if (own[5] >= 0) {
            program(own[6], some);
            in_blocks<BLOCK_VOXELS>(some, [&](int at) { split(share_ + at, whole(own[7]) + at, other_ + at); });
            deposit_layer(own[5], own[1], some, other_, density, number, uniform, organs);
        }
        deposit_layer(own[0], own[1], some, share_, density, number, uniform, organs);
    }

    void program(int32_t at, uint32_t mask) {
        place(mask);
        run<BLOCKS>(at, t_, w_, lists_, least_radius_, ALL_BLOCKS);
        run<BLOCK_VOXELS>(at, t_, w_, lists_, least_radius_, mask);
    }

    // What expands becomes thinner; the density is one a voxel then.
    void thin_out(float* density, bool uniform, float number, uint32_t mask) {
        volume_before(moves_, medium_, from_.whole, voxel_, mask & ~measured_, denser_);
        measured_ |= mask;
        in_blocks<BLOCK_VOXELS>(mask, [&](int at) {
            for (int i = at; i < at + BLOCK_VOXELS; i++) density[i] = (uniform ? number : density[i]) * denser_[i];
        });
    }

    void deposit_layer(int32_t material, int32_t organ, uint32_t mask, const float* amount, const float* density, float number, bool uniform, int32_t organs) {
        const int64_t row = int64_t{material} * t_.organs;
        in_blocks<BLOCK_VOXELS>(mask, [&](int at) {
            const float* own = uniform ? &number : density + at;
            if (organ >= 0) return deposit_in(material, organ, at, amount, own, uniform);
            deposit_organs(amount + at, own, uniform, t_.material_density[material], mass_.block(material, at / BLOCK_VOXELS), whole(organs) + at, volume_,
                           at / BLOCK_VOXELS, w_.volumes + row, w_.masses + row);
        });
    }

    void deposit_in(int32_t material, int32_t organ, int at, const float* amount, const float* density, bool uniform) {
        const int64_t sum = int64_t{material} * t_.organs + organ;
        deposit(amount + at, density, uniform, t_.material_density[material], mass_.block(material, at / BLOCK_VOXELS), volume_.block(organ, at / BLOCK_VOXELS),
                w_.volumes[sum], w_.masses[sum]);
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
