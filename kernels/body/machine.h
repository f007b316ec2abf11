// The machine that runs a body's program on a brick: first on the middles of its blocks, from which bounds over each block tell what can
// matter there, then on the voxels of the blocks that are asked for.
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
PHYSSIM_HD float* registers_of(const BodyWork& w) { return N == BLOCKS ? w.centre : w.whole; }

// Segments of branches near the brick, all of them where it is in no list; how many.
static int listed_segments(const int32_t* line, const BodyTables& t, BodyWork& w, const BranchLists& lists) {
    const int first = line[4], own = line[6], count = line[7];
    if (w.brick_number < 0) return nearest_segments(t.data, first, count, w.boxes + BODY_BOX * line[8], w.candidates, w.bounds, false);
    int found = 0;
    for (int m = lists.first[w.brick_number]; m < lists.first[w.brick_number + 1]; m++) {
        const int32_t segment = lists.members[m];
        if (segment >= own && segment < own + count) w.candidates[found++] = first + BODY_SEGMENT * (segment - own);
    }
    return found;
}

// Shapes of many pieces: those that can be nearest in the brick are listed, then those in each block.
template <int N>
static void make_pieces(const int32_t* line, float* d, const float* x, const BodyTables& t, BodyWork& w, uint32_t mask) {
    constexpr int NEXT = REGISTER<N>;
    const Operation op = static_cast<Operation>(line[0]);
    const int frame = line[8];
    const float *box = w.boxes + BODY_BOX * frame, *reach = w.reach + BLOCKS * frame, *middle = w.centre + 3 * BLOCKS * frame;
    const bool triangles = op == Operation::SHEET, axis = op == Operation::ELLIPTIC_TUBE;
    const int found = triangles ? nearest_triangles(t.data, line[4], line[7], box, w.candidates) : nearest_segments(t.data, line[4], line[7], box, w.candidates, w.bounds, axis);
    alignas(64) float least[BLOCKS];
    if (N > BLOCKS) {
        if (triangles) measure_triangles(t.data, w.candidates, found, middle, middle + BLOCKS, middle + 2 * BLOCKS, reach, w.bounds, least);
        else measure_segments(t.data, w.candidates, found, middle, middle + BLOCKS, middle + 2 * BLOCKS, reach, axis, w.bounds, least);
    }
    in_blocks<N>(mask, [&](int at) {
        const int32_t* own = w.candidates;
        int few = found;
        if (N > BLOCKS) own = w.nearest, few = nearest_in_block(w.candidates, found, w.bounds, least, at / BLOCK_VOXELS, w.nearest);
        const float *u = x + at, *v = u + NEXT, *z = v + NEXT;
        if (triangles) sheet<N>(d + at, u, v, z, t.data, own, few);
        else if (axis) elliptic_tube<N>(d + at, w.scratch, w.scratch + N, u, v, z, t.data, own, few);
        else round_tube<N>(d + at, u, v, z, t.data, own, few);
    });
}

template <int N>
static void make_shape(const int32_t* line, float* d, const BodyTables& t, BodyWork& w, const BranchLists& lists, float least_radius, uint32_t mask) {
    constexpr int NEXT = REGISTER<N>;
    const float *x = registers_of<N>(w) + 3 * NEXT * line[8], *y = x + NEXT, *z = y + NEXT, *c = t.data + line[5];
    switch (static_cast<Operation>(line[0])) {
        case Operation::ELLIPSOID: return in_blocks<N>(mask, [&](int at) { ellipsoid<N>(d + at, x + at, y + at, z + at, c); });
        case Operation::SUPERELLIPSOID: return in_blocks<N>(mask, [&](int at) { superellipsoid<N>(d + at, x + at, y + at, z + at, c); });
        case Operation::PLANE: return in_blocks<N>(mask, [&](int at) { plane<N>(d + at, x + at, y + at, z + at, c); });
        case Operation::LOFT: return in_blocks<N>(mask, [&](int at) { loft<N>(d + at, x + at, y + at, z + at, t.data + line[4], line[7], c); });
        case Operation::PLATE: return in_blocks<N>(mask, [&](int at) { plate<N>(d + at, w.scratch, w.scratch + N, x + at, y + at, z + at, c); });
        case Operation::BRANCHES: {
            const int found = listed_segments(line, t, w, lists);
            float* thin = registers_of<N>(w) + int64_t{NEXT} * line[2];
            return in_blocks<N>(mask, [&](int at) {
                if (N > BLOCKS && least_radius > 0.0f) drawn_branches<N>(d + at, thin + at, x + at, y + at, z + at, t.data, w.candidates, found, least_radius);
                else branches<N>(d + at, thin + at, x + at, y + at, z + at, t.data, w.candidates, found, least_radius);
            });
        }
        default: return make_pieces<N>(line, d, x, t, w, mask);
    }
}

// Arithmetic, constants, tables and noise.
template <int N>
static void make_number(const int32_t* line, float* d, const BodyTables& t, BodyWork& w, uint32_t mask) {
    constexpr int NEXT = REGISTER<N>;
    const Operation op = static_cast<Operation>(line[0]);
    const float *registers = registers_of<N>(w), *a = registers + int64_t{NEXT} * line[2], *b = registers + int64_t{NEXT} * line[3], *c = t.data + line[5];
    if (op == Operation::CONST) {
        in_blocks<N>(mask, [&](int at) { filled<N>(d + at, c[0]); });
        if (N == BLOCKS) filled<2 * BLOCKS>(w.limits + 2 * BLOCKS * line[1], c[0]);
    } else if (op >= Operation::ADD && op <= Operation::POW) {
        in_blocks<N>(mask, [&](int at) { two_registers<N>(op, d + at, a + at, b + at); });
    } else if (op >= Operation::ADD_CONST && op <= Operation::CONST_LT) {
        in_blocks<N>(mask, [&](int at) { register_and_constant<N>(op, d + at, a + at, c[0]); });
    } else if (op == Operation::TABLE) {
        in_blocks<N>(mask, [&](int at) { looked_up<N>(d + at, a + at, c); });
    } else if (op == Operation::NOISE) {
        const float *x = registers + 3 * NEXT * line[8], *y = x + NEXT, *z = y + NEXT;
        in_blocks<N>(mask, [&](int at) { add_noise<N>(d + at, x + at, y + at, z + at, c, line[6]); });
    } else {
        in_blocks<N>(mask, [&](int at) { one_register<N>(op, d + at, a + at); });
    }
}

// A mask of blocks as one of pieces of N numbers, where they are halves of blocks.
template <int N>
PHYSSIM_HD uint32_t in_pieces(uint32_t blocks) {
    if (N != BLOCK_VOXELS / 2) return blocks;
    uint32_t spread = blocks;  // each bit to every second place, then twice
    spread = (spread | spread << 8) & 0x00FF00FFu, spread = (spread | spread << 4) & 0x0F0F0F0Fu;
    spread = (spread | spread << 2) & 0x33333333u, spread = (spread | spread << 1) & 0x55555555u;
    return spread | spread << 1;
}

// Where a part begins: the blocks of `mask` in which it is to be made; none where the brick lies outside the part's box (six constants).
template <int N>
static uint32_t blocks_of_part(const int32_t* line, float* d, const BodyTables& t, BodyWork& w, uint32_t mask) {
    const float *limits = t.data + line[5], *box = w.boxes + BODY_BOX * line[8];
    bool missed = false;
    for (int axis = 0; axis < 3; axis++) missed |= box[axis] - w.margin > limits[3 + axis] || box[axis + 3] + w.margin < limits[axis];
    if (missed && static_cast<Joining>(line[2]) == Joining::KEEP) {  // nothing is left
        in_blocks<N>(mask, [&](int at) { filled<N>(d + at, BODY_FAR); });
        if (N == BLOCKS) filled<2 * BLOCKS>(w.limits + 2 * BLOCKS * line[1], BODY_FAR);
    }
    int32_t& far = w.far_part[line[6]];
    if (N == BLOCKS) far = missed ? static_cast<int32_t>(ALL_BLOCKS) : 0;
    return mask & ~in_pieces<N>(static_cast<uint32_t>(far));
}

template <int N>
static void join_part(const int32_t* line, float* d, const float* p, const BodyTables& t, BodyWork& w, uint32_t mask) {
    const Joining mode = static_cast<Joining>(line[3]);
    const float* constants = t.data + line[5];
    if (N == BLOCKS) {
        const int source = line[4];
        w.far_part[line[6]] |= static_cast<int32_t>(bounded_join(w.limits + 2 * BLOCKS * line[1], source > 0 ? w.centre + BLOCKS * source : nullptr,
                                                                 w.limits + 2 * BLOCKS * source, p, mode, constants, w.reach + BLOCKS * line[8], w.margin));
        return join<N>(d, p, mode, constants[0]);
    }
    in_blocks<N>(mask, [&](int at) { join<N>(d + at, p + at, mode, constants[0]); });
}

// The blocks of `mask` in which something is not made yet, where `made` is of the brick `mark`; they count as made.
PHYSSIM_HD uint32_t not_made(int32_t brick, int32_t& mark, int32_t& made, uint32_t mask) {
    const uint32_t old = mark == brick ? static_cast<uint32_t>(made) : 0u;
    mark = brick, made = static_cast<int32_t>(old | mask);
    return mask & ~old;
}

template <int N>
static void make_frame(int f, const BodyTables& t, BodyWork& w, uint32_t mask) {
    const int32_t* ints = t.frame_int + BODY_FRAME_INTS * f;
    const float* floats = t.frame_float + BODY_FRAME_FLOATS * f;
    float *base = registers_of<N>(w), *own = base + 3 * REGISTER<N> * f;
    if (f == 0) return;
    in_blocks<N>(mask, [&](int at) { frame_places<N>(own + at, base + at, t.data, ints, floats); });
    if (N == BLOCKS) frame_box(f, ints, floats, w.boxes, w.reach);
}

// Runs the program from instruction `at` on the voxels of the blocks (N = BLOCK_VOXELS) or halves of blocks of `mask`, or (N = BLOCKS) on the middles of all blocks.
template <int N>
static void run(int at, const BodyTables& t, BodyWork& w, const BranchLists& lists, float least_radius, uint32_t mask) {
    constexpr int NEXT = REGISTER<N>;
    struct { int at; uint32_t mask; } stack[BODY_MOST_CALLS];  // of calls and, between them, of parts
    int depth = 0;
    while (true) {
        const int32_t* line = t.code + BODY_CODE_COLUMNS * at;
        float* d = registers_of<N>(w) + int64_t{NEXT} * line[1];
        const float *a = registers_of<N>(w) + int64_t{NEXT} * line[2], *constants = t.data + line[5];
        switch (static_cast<Operation>(line[0])) {
            case Operation::RETURN:
                if (depth == 0) return;
                depth--, at = stack[depth].at, mask = stack[depth].mask;
                continue;
            case Operation::PART: {
                const uint32_t live = blocks_of_part<N>(line, d, t, w, mask);
                if (!live) {
                    at = line[7];
                    continue;
                }
                stack[depth++] = {0, mask}, mask = live;
                break;
            }
            case Operation::JOIN:
                join_part<N>(line, d, a, t, w, mask);
                mask = stack[--depth].mask;
                break;
            case Operation::JOIN_PAYLOAD:
                if (N > BLOCKS) in_blocks<N>(mask, [&](int block) { join_payload<N>(d + block, a + block, constants[0]); });
                break;
            case Operation::CALL: {
                uint32_t wanted = mask;
                if (N > BLOCKS) wanted = not_made(w.brick, w.field_mark[1][line[6]], w.field_made[line[6]], mask);
                else if (w.field_mark[0][line[6]] == w.brick) wanted = 0;
                if (wanted) {
                    w.field_mark[N > BLOCKS][line[6]] = w.brick;
                    stack[depth++] = {at + 1, mask}, mask = N > BLOCKS ? wanted : ALL_BLOCKS;
                    at = line[7];
                    continue;
                }
                break;
            }
            case Operation::FRAME: {
                uint32_t wanted = mask;
                if (N > BLOCKS) wanted = not_made(w.brick, w.frame_mark[1][line[6]], w.frame_made[line[6]], mask);
                else if (w.frame_mark[0][line[6]] == w.brick) wanted = 0;
                if (wanted) w.frame_mark[N > BLOCKS][line[6]] = w.brick, make_frame<N>(line[6], t, w, wanted);
                break;
            }
            case Operation::ELLIPSOID: case Operation::SUPERELLIPSOID: case Operation::ROUND_TUBE: case Operation::ELLIPTIC_TUBE: case Operation::BRANCHES:
            case Operation::LOFT: case Operation::PLATE: case Operation::SHEET: case Operation::PLANE:
                make_shape<N>(line, d, t, w, lists, least_radius, mask);
                break;
            default: make_number<N>(line, d, t, w, mask);
        }
        at++;
    }
}

// Half the diagonal of the brick, whose corners and whose blocks' middles are known: no voxel is farther from its middle.
static void measure_diagonal(BodyWork& w) {
    const Middle middle(w.boxes);
    float furthest = 0.0f;
    for (int b = 0; b < BLOCKS; b++) {
        const float x = w.centre[b] - middle.x, y = w.centre[BLOCKS + b] - middle.y, z = w.centre[2 * BLOCKS + b] - middle.z;
        furthest = greater(furthest, square_root(x * x + y * y + z * z) + w.reach[b]);
    }
    w.boxes[6] = furthest;
}

PHYSSIM_HD void empty_box(float* box) {
    for (int axis = 0; axis < 3; axis++) box[axis] = BODY_FAR, box[axis + 3] = -BODY_FAR;
}

// values (count) of a register after the program at `at`, at points (count, 3) of the canonical frame (mm). Distances are right to
// `margin` mm from a surface; parts that do not matter there are left out, of 64 points that follow each other.
static void values_at(int at, int result, const float* points, int64_t count, float* values, float margin, const BodyTables& t, BodyWork& w) {
    const BranchLists none = {nullptr, nullptr};
    for (int64_t start = 0; start < count; start += BRICK_VOXELS) {
        const int n = static_cast<int>(count - start < BRICK_VOXELS ? count - start : BRICK_VOXELS);
        empty_box(w.boxes);
        for (int b = 0; b < BLOCKS; b++) {
            float square = 0.0f;
            for (int axis = 0; axis < 3; axis++) {
                float low = BODY_FAR, high = -BODY_FAR;
                for (int i = BLOCK_VOXELS * b; i < BLOCK_VOXELS * (b + 1); i++) {
                    const float p = points[3 * (start + (i < n ? i : n - 1)) + axis];
                    w.whole[axis * BRICK_VOXELS + i] = p;
                    low = lesser(low, p), high = greater(high, p);
                }
                w.boxes[axis] = lesser(w.boxes[axis], low), w.boxes[axis + 3] = greater(w.boxes[axis + 3], high);
                w.centre[BLOCKS * axis + b] = 0.5f * (low + high);
                square += (high - low) * (high - low);
            }
            w.reach[b] = 0.5f * square_root(square);
        }
        measure_diagonal(w);
        w.brick++, w.brick_number = -1, w.margin = margin;
        run<BLOCKS>(at, t, w, none, 0.0f, ALL_BLOCKS);
        run<BLOCK_VOXELS>(at, t, w, none, 0.0f, ALL_BLOCKS);
        for (int i = 0; i < n; i++) values[start + i] = w.whole[int64_t{BRICK_VOXELS} * result + i];
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
