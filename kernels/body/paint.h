// Paints bricks front to back: the share left to what lies under begins with 1 and is multiplied by 1 - coverage.
#pragma once
#include "body/coverage.h"
#include "body/machine.h"
#include "body/motion.h"
#include "body/places.h"
#include "body/stored.h"

namespace physsim {
namespace PHYSSIM_ISA {

// Structures whose boxes a row of bricks along x can meet; how many.
static int structures_of_row(const PaintJob& job, const BodyTables& t, int by, int bz, int32_t* in_row) {
    float low[3], high[3];
    if (job.lattice) curved_row_box(job, by, bz, low, high);
    else straight_row_box(job, by, bz, low, high);
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

// What is painted, from what, with whose memory; and the brick at hand.
class Painter {
  public:
    Painter(const PaintJob& job, const BodyTables& tables, const BodyMoves& moves, const BranchLists& lists, BodyWork& work)
        : job_(job), t_(tables), moves_(moves), lists_(lists), w_(work), left_(work.share), share_(left_ + BRICK_VOXELS), outer_(share_ + BRICK_VOXELS),
          shine_(outer_ + BRICK_VOXELS), other_(shine_ + BRICK_VOXELS), distance_(other_ + BRICK_VOXELS), best_(distance_ + BRICK_VOXELS) {}

    void brick(int bx, int by, int bz, const int32_t* in_row, int found) {
        w_.brick++;
        w_.brick_number = bx + (job_.shape[2] + BRICK_X - 1) / BRICK_X * (by + (job_.shape[1] + BRICK_Y - 1) / BRICK_Y * bz);
        brick_ = w_.brick;
        voxel_ = job_.voxel;
        if (job_.lattice) voxel_ = curved_places(job_, bx, by, bz, w_);
        else straight_places(job_, bx, by, bz, w_);
        inverse_ = 1.0f / voxel_, least_radius_ = 0.5f * voxel_;
        w_.margin = voxel_;
        inside_grid(job_, bx, by, bz, left_);
        medium_ = -1, measured_ = false;
        if (moves_.moving) from_.keep(w_);
        float box[BODY_BOX];
        for (int c = 0; c < BODY_BOX; c++) box[c] = w_.boxes[c];
        bool more = true;
        for (int m = 0; m < found && more; m++)
            if (meets(t_.structure_float + BODY_STRUCTURE_FLOATS * in_row[m], box)) more = structure(in_row[m]);
        const float one = 1.0f;
        if (largest_of(left_) > 0.0f) deposit_in(0, 0, left_, &one, true);
        alignas(64) int32_t label_of[BRICK_VOXELS], organ_of[BRICK_VOXELS];
        with_most(w_.volume, w_.organ_touched, t_.organs, brick_, best_, organ_of, distance_);
        with_most(w_.mass, w_.material_touched, t_.materials, brick_, best_, label_of, distance_);
        store_brick(job_, bx, by, bz, label_of, organ_of, distance_, t_.material_density);
    }

  private:
    const PaintJob& job_;
    const BodyTables& t_;
    const BodyMoves& moves_;
    const BranchLists& lists_;
    BodyWork& w_;
    float *left_, *share_, *outer_, *shine_, *other_, *distance_, *best_;
    float voxel_ = 0.0f, inverse_ = 0.0f, least_radius_ = 0.0f;
    int32_t brick_ = 0, medium_ = -1;
    bool measured_ = false;
    Unmoved from_;
    alignas(64) float denser_[BRICK_VOXELS];

    float* whole(int32_t number) const { return w_.whole + int64_t{BRICK_VOXELS} * number; }

    // Paints a structure; whether anything is left for those under it.
    bool structure(int32_t s) {
        if (moves_.moving && moves_.medium[s] != medium_) {
            medium_ = moves_.medium[s];
            w_.brick++;
            move_brick(medium_, moves_, from_, w_);
            measured_ = false;
        }
        const int32_t* own = t_.structure_int + BODY_STRUCTURE_INTS * s;
        const int32_t code = own[0], distance = own[1], organs = own[2], thin = own[3], last = own[5];
        run<1>(code, t_, w_, lists_, least_radius_);
        if (w_.limits[2 * distance] > voxel_) return true;
        const float deepest = t_.structure_float[BODY_STRUCTURE_FLOATS * s + 6];
        const bool full = thin < 0 && organs < 0 && w_.limits[2 * distance + 1] < -(voxel_ + deepest);
        if (full) {
            filled<BRICK_VOXELS>(outer_, 1.0f);
            filled<BRICK_VOXELS>(shine_, 0.0f);
        } else {
            run<BRICK_VOXELS>(code, t_, w_, lists_, least_radius_);
            if (smallest_of(whole(distance)) > voxel_) return true;
            averaged(whole(distance), distance_, thin < 0 ? 0.25f * voxel_ : 0.0f);
            if (outer_coverage(distance_, thin >= 0 ? whole(thin) : nullptr, inverse_, outer_, shine_) == 0.0f) return true;
        }
        for (int32_t n = full ? last - 1 : own[4]; n < last; n++) layer(s, n, last, organs);
        PHYSSIM_OVER_VOXELS
        for (int i = 0; i < BRICK_VOXELS; i++) left_[i] *= shine_[i];
        return largest_of(left_) >= LITTLE;
    }

    void layer(int32_t s, int32_t n, int32_t last, int32_t organs) {
        const int32_t* own = t_.layer_int + BODY_LAYER_INTS * n;
        float most;
        if (n + 1 < last) {
            const int32_t next = own[BODY_LAYER_INTS + 2];
            most = layer_share(left_, distance_, next >= 0 ? whole(next) : nullptr, t_.layer_float[BODY_LAYER_FLOATS * (n + 1)], inverse_, outer_, share_);
        } else {
            most = last_share(left_, outer_, share_);
        }
        if (most == 0.0f) return;
        bool uniform = own[3] < 0;
        float* density = w_.scratch + 2 * BRICK_VOXELS;
        if (uniform) {
            density[0] = t_.layer_float[BODY_LAYER_FLOATS * n + 1];
        } else {
            program(own[3]);
            const float* made = whole(own[4]);
            for (int i = 0; i < BRICK_VOXELS; i++) density[i] = made[i];
        }
        if (medium_ >= 0 && moves_.thins[s] == 1 && medium_ < moves_.media) uniform = thinned(density, uniform);
        if (own[5] >= 0) {
            program(own[6]);
            split(share_, whole(own[7]), other_);
            deposit_layer(own[5], own[1], other_, density, uniform, organs);
        }
        deposit_layer(own[0], own[1], share_, density, uniform, organs);
    }

    void program(int32_t at) {
        run<1>(at, t_, w_, lists_, least_radius_);
        run<BRICK_VOXELS>(at, t_, w_, lists_, least_radius_);
    }

    // What expands becomes thinner; the density is one a voxel then.
    bool thinned(float* density, bool uniform) {
        if (!measured_) volume_before(moves_, medium_, from_.whole, denser_);
        measured_ = true;
        const float own = density[0];
        for (int i = 0; i < BRICK_VOXELS; i++) density[i] = (uniform ? own : density[i]) * denser_[i];
        return false;
    }

    void deposit_layer(int32_t material, int32_t organ, const float* amount, const float* density, bool uniform, int32_t organs) {
        if (organ >= 0) return deposit_in(material, organ, amount, density, uniform);
        first_touch(w_.mass, w_.material_touched, material, brick_);
        deposit_organs(amount, density, uniform, t_.material_density[material], w_.mass + int64_t{BRICK_VOXELS} * material, whole(organs), brick_, w_.volume,
                       w_.organ_touched, w_.volumes + int64_t{material} * t_.organs, w_.masses + int64_t{material} * t_.organs);
    }

    void deposit_in(int32_t material, int32_t organ, const float* amount, const float* density, bool uniform) {
        first_touch(w_.mass, w_.material_touched, material, brick_);
        first_touch(w_.volume, w_.organ_touched, organ, brick_);
        const int64_t sum = int64_t{material} * t_.organs + organ;
        deposit(amount, density, uniform, t_.material_density[material], w_.mass + int64_t{BRICK_VOXELS} * material, w_.volume + int64_t{BRICK_VOXELS} * organ,
                w_.volumes[sum], w_.masses[sum]);
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
