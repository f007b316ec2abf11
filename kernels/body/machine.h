// The machine that runs a body's program on a brick: first on its centre, from which bounds over the brick tell what can matter, then
// on its voxels.
#pragma once
#include "body/arithmetic.h"
#include "body/frames.h"
#include "body/joins.h"
#include "body/loft.h"
#include "body/sheet.h"
#include "body/solids.h"
#include "body/tubes.h"

namespace physsim {
namespace PHYSSIM_ISA {

template <int N>
static void make_branches(const int32_t* line, float* d, const float* x, const float* y, const float* z, const BodyTables& t, BodyWork& w, const BranchLists& lists,
                          float least_radius) {
    const int first = line[4], own = line[6], count = line[7];
    int found = 0;
    if (w.brick_number < 0) {
        found = nearest_segments(t.data, first, count, w.boxes + BODY_BOX * line[8], w.candidates, false);
    } else {
        for (int m = lists.first[w.brick_number]; m < lists.first[w.brick_number + 1]; m++) {
            const int32_t segment = lists.members[m];
            if (segment >= own && segment < own + count) w.candidates[found++] = first + BODY_SEGMENT * (segment - own);
        }
    }
    float* thin = (N == 1 ? w.centre : w.whole) + int64_t{N} * line[2];
    if (N > 1 && least_radius > 0.0f) drawn_branches(d, thin, x, y, z, t.data, w.candidates, found, least_radius);
    else branches<N>(d, thin, x, y, z, t.data, w.candidates, found, least_radius);
}

template <int N>
static void make_shape(const int32_t* line, float* d, float* registers, const BodyTables& t, BodyWork& w, const BranchLists& lists, float least_radius) {
    const int frame = line[8], first = line[4], count = line[7];
    const float *x = registers + 3 * N * frame, *y = x + N, *z = y + N, *constants = t.data + line[5], *box = w.boxes + BODY_BOX * frame;
    switch (static_cast<Operation>(line[0])) {
        case Operation::ELLIPSOID: return ellipsoid<N>(d, x, y, z, constants);
        case Operation::SUPERELLIPSOID: return superellipsoid<N>(d, x, y, z, constants);
        case Operation::PLANE: return plane<N>(d, x, y, z, constants);
        case Operation::LOFT: return loft<N>(d, x, y, z, t.data + first, count, constants);
        case Operation::ROUND_TUBE: return round_tube<N>(d, x, y, z, t.data, w.candidates, nearest_segments(t.data, first, count, box, w.candidates, false));
        case Operation::ELLIPTIC_TUBE:
            return elliptic_tube<N>(d, w.scratch, x, y, z, t.data, w.candidates, nearest_segments(t.data, first, count, box, w.candidates, true));
        case Operation::BRANCHES: return make_branches<N>(line, d, x, y, z, t, w, lists, least_radius);
        case Operation::PLATE: return plate<N>(d, w.scratch, w.scratch + N, x, y, z, constants);
        default: return sheet<N>(d, x, y, z, t.data, first, count, box, w.candidates);
    }
}

// A part's beginning: whether it is to be left out, because the brick lies outside its box, or is known from the centre to gain nothing.
template <int N>
static bool left_out(const int32_t* line, float* registers, const BodyTables& t, BodyWork& w) {
    const float *box = w.boxes + BODY_BOX * line[8], *limits = t.data + line[5];
    int32_t& far = w.far_part[line[6]];
    bool missed = false;
    for (int axis = 0; axis < 3; axis++) missed |= box[axis] - w.margin > limits[3 + axis] || box[axis + 3] + w.margin < limits[axis];
    if (missed && static_cast<Joining>(line[2]) == Joining::KEEP) {
        filled<N>(registers + int64_t{N} * line[1], BODY_FAR);
        if (N == 1) w.limits[2 * line[1]] = w.limits[2 * line[1] + 1] = BODY_FAR;
    }
    if (N > 1) return missed || far == 1;
    far = missed;
    return missed;
}

template <int N>
static void join_part(const int32_t* line, float* d, const float* p, const BodyTables& t, BodyWork& w) {
    const Joining mode = static_cast<Joining>(line[3]);
    const float* constants = t.data + line[5];
    if (N == 1) {
        const int source = line[4];
        w.far_part[line[6]] = bounded_join(w.limits + 2 * line[1], source > 0 ? w.centre + source : nullptr, w.limits + 2 * source, *p, mode, constants,
                                           w.boxes[BODY_BOX * line[8] + 6], w.margin);
    }
    join<N>(d, p, mode, constants[0]);
}

// Runs the program from instruction `at` on the N voxels of a brick, or (N = 1) on its centre.
template <int N>
static void run(int at, const BodyTables& t, BodyWork& w, const BranchLists& lists, float least_radius) {
    constexpr int PART = N > 1;
    float* const registers = N == 1 ? w.centre : w.whole;
    int stack[BODY_MOST_CALLS], calls = 0;
    while (true) {
        const int32_t* line = t.code + BODY_CODE_COLUMNS * at;
        const Operation op = static_cast<Operation>(line[0]);
        float* d = registers + int64_t{N} * line[1];
        const float *a = registers + int64_t{N} * line[2], *constants = t.data + line[5];
        if (op == Operation::RETURN) {
            if (calls == 0) return;
            at = stack[--calls];
            continue;
        }
        if (op == Operation::CONST) {
            filled<N>(d, constants[0]);
            if (N == 1) w.limits[2 * line[1]] = w.limits[2 * line[1] + 1] = constants[0];
        } else if (op >= Operation::ADD && op <= Operation::POW) {
            two_registers<N>(op, d, a, registers + int64_t{N} * line[3]);
        } else if (op >= Operation::ADD_CONST && op <= Operation::CONST_LT) {
            register_and_constant<N>(op, d, a, constants[0]);
        } else if (op == Operation::COPY || (op >= Operation::NEG && op <= Operation::SIGMOID)) {
            one_register<N>(op, d, a);
        } else if (op == Operation::TABLE) {
            looked_up<N>(d, a, constants);
        } else if (op == Operation::NOISE) {
            const float* frame = registers + 3 * N * line[8];
            add_noise<N>(d, frame, frame + N, frame + 2 * N, constants, line[6]);
        } else if (op == Operation::PART) {
            if (left_out<N>(line, registers, t, w)) {
                at = line[7];
                continue;
            }
        } else if (op == Operation::JOIN) {
            join_part<N>(line, d, a, t, w);
        } else if (op == Operation::JOIN_PAYLOAD) {
            join_payload<N>(d, a, constants[0]);
        } else if (op == Operation::CALL) {
            int32_t& mark = w.field_mark[PART][line[6]];
            if (mark != w.brick) {
                mark = w.brick;
                stack[calls++] = at + 1;
                at = line[7];
                continue;
            }
        } else if (op == Operation::FRAME) {
            int32_t& mark = w.frame_mark[PART][line[6]];
            if (mark != w.brick) {
                mark = w.brick;
                make_frame<N>(line[6], registers, t, w.boxes);
            }
        } else {
            make_shape<N>(line, d, registers, t, w, lists, least_radius);
        }
        at++;
    }
}

// values (count) of a register after the program at `at`, at points (count, 3) of the canonical frame (mm). Distances are right to
// `margin` mm from a surface; parts that do not matter there are left out, of 1024 points.
static void values_at(int at, int result, const float* points, int64_t count, float* values, float margin, const BodyTables& t, BodyWork& w) {
    constexpr int N = BRICK_VOXELS;
    const BranchLists none = {nullptr, nullptr};
    for (int64_t start = 0; start < count; start += N) {
        const int n = static_cast<int>(count - start < N ? count - start : N);
        float square = 0.0f;
        for (int axis = 0; axis < 3; axis++) {
            float low = points[3 * start + axis], high = low;
            for (int i = 0; i < N; i++) {
                const float p = points[3 * (start + (i < n ? i : n - 1)) + axis];
                w.whole[axis * N + i] = p;
                low = lesser(low, p), high = greater(high, p);
            }
            w.boxes[axis] = low, w.boxes[axis + 3] = high, w.centre[axis] = 0.5f * (low + high);
            square += (high - low) * (high - low);
        }
        w.boxes[6] = 0.5f * square_root(square);
        w.brick++, w.brick_number = -1, w.margin = margin;
        run<1>(at, t, w, none, 0.0f);
        run<N>(at, t, w, none, 0.0f);
        for (int i = 0; i < n; i++) values[start + i] = w.whole[int64_t{N} * result + i];
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
