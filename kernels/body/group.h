// What of a body comes near any of eight bricks that lie together. Most structures whose boxes meet a brick keep away from it, and one
// look at all eight is cheaper than a look at each.
#pragma once
#include "body/paint.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int GROUP = 2;  // bricks of a group along each axis

// The middles of a group's blocks, which are GROUP times as long as a brick's, how far their voxels are from them, and the group's box.
static void group_middles(const PaintJob& job, const BrickCorner& corner, BodyWork& w) {
    constexpr float EDGE = GROUP * BLOCK_EDGE - 1, BENT = 1.1f;
    const auto put = [&](float i, float j, float k, float* out, int next) {
        if (job.lattice) return curved_place(job, i, j, k, out, next);
        for (int axis = 0; axis < 3; axis++) {
            const float* row = job.affine + 4 * axis;
            out[axis * next] = row[3] + row[0] * i + row[1] * j + row[2] * k;
        }
    };
    empty_box(w.boxes);
    float widest = 0.0f;
    for (int b = 0; b < BLOCKS; b++) {
        const BlockCorner own(b);
        const float x = corner.x + static_cast<float>(GROUP * own.x), y = corner.y + static_cast<float>(GROUP * own.y), z = corner.z + static_cast<float>(GROUP * own.z);
        put(x + 0.5f * EDGE, y + 0.5f * EDGE, z + 0.5f * EDGE, w.centre + b, BLOCKS);
        float farthest = 0.0f;
        for (int n = 0; n < 8; n++) {
            float p[3], square = 0.0f;
            put(n & 1 ? x + EDGE : x, n & 2 ? y + EDGE : y, n & 4 ? z + EDGE : z, p, 1);
            for (int axis = 0; axis < 3; axis++) {
                const float off = p[axis] - w.centre[BLOCKS * axis + b];
                w.boxes[axis] = lesser(w.boxes[axis], p[axis]), w.boxes[axis + 3] = greater(w.boxes[axis + 3], p[axis]);
                square += off * off;
            }
            farthest = greater(farthest, square);
        }
        w.reach[b] = BENT * square_root(farthest);
        widest = greater(widest, w.reach[b]);
    }
    const float room = (BENT - 1.0f) * widest;  // for what bends out between corners
    for (int axis = 0; axis < 3; axis++) w.boxes[axis] -= room, w.boxes[axis + 3] += room;
    measure_diagonal(w);
}

// Of the structures `some` those that come within a voxel of the group whose first brick is bx, by, bz, in their order; how many.
// Branches are left to the bricks, which have lists of them.
static int structures_of_group(const PaintJob& job, const BodyTables& t, const BranchLists& lists, BodyWork& w, int bx, int by, int bz, const int32_t* some, int count,
                               int32_t* near) {
    w.brick++, w.brick_number = -1, w.margin = RIGHT_TO * job.voxel;
    group_middles(job, BrickCorner(bx, by, bz), w);
    float box[BODY_BOX];
    for (int c = 0; c < BODY_BOX; c++) box[c] = w.boxes[c];
    int found = 0;
    for (int m = 0; m < count; m++) {
        const int32_t* own = t.structure_int + BODY_STRUCTURE_INTS * some[m];
        if (!meets(t.structure_float + BODY_STRUCTURE_FLOATS * some[m], box)) continue;
        if (own[3] < 0) {
            run<BLOCKS>(own[0], t, w, lists, 0.5f * job.voxel, ALL_BLOCKS);
            if (!bits(load(w.limits + 2 * BLOCKS * own[1]) <= F(job.voxel))) continue;
        }
        near[found++] = some[m];
    }
    return found;
}

// Paints the rows of bricks along x of a layer of groups. in_row: room for all structures twice.
static void paint_group(const PaintJob& job, const BodyTables& t, const BodyMoves& moves, const BranchLists& lists, BodyWork& work, BodyWork& beside, int gy, int gz,
                        int32_t* in_row) {
    const int bricks[3] = {(job.shape[2] + BRICK_X - 1) / BRICK_X, (job.shape[1] + BRICK_Y - 1) / BRICK_Y, (job.shape[0] + BRICK_Z - 1) / BRICK_Z};
    const int first_y = GROUP * gy, first_z = GROUP * gz;
    const int last_y = first_y + GROUP < bricks[1] ? first_y + GROUP : bricks[1], last_z = first_z + GROUP < bricks[2] ? first_z + GROUP : bricks[2];
    int32_t* in_group = in_row + t.structures;
    const int found = structures_of_rows(job, t, first_y, last_y, first_z, last_z, in_row);
    Painter painter(job, t, moves, lists, work, beside);
    for (int first_x = 0; first_x < bricks[0]; first_x += GROUP) {
        const int last_x = first_x + GROUP < bricks[0] ? first_x + GROUP : bricks[0];
        const int few = moves.moving ? found : structures_of_group(job, t, lists, beside, first_x, first_y, first_z, in_row, found, in_group);
        for (int bz = first_z; bz < last_z; bz++)
            for (int by = first_y; by < last_y; by++)
                for (int bx = first_x; bx < last_x; bx++) painter.brick(bx, by, bz, moves.moving ? in_row : in_group, few);
    }
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
