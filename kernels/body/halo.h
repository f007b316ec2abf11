// The voxels one step outside a brick's faces: the mean of a distance over a voxel at a face needs them.
#pragma once
#include "body/motion.h"
#include "body/places.h"

namespace physsim {
namespace PHYSSIM_ISA {

// A face of the brick is cut into squares of 8 x 8 voxels: two each at the low and high end of y, then of z, then one each of x. Half a
// square, the low or the high end of its first axis, is what is asked for.
constexpr int FACE_EDGE = 8, FACES = 10, HALF_FACE = FACE_EDGE * FACE_EDGE / 2;
constexpr uint32_t ALL_HALVES = ~0u;
static_assert(BLOCKS * BLOCK_VOXELS == 32 * HALF_FACE, "a bit for each half");
static_assert(FACE_EDGE * FACE_EDGE == BLOCK_VOXELS && BRICK_X == 2 * FACE_EDGE && BRICK_Y == FACE_EDGE && BRICK_Z == FACE_EDGE, "a face is a block of the halo");

// The first voxel of a square, in the brick (x, y, z), and the axes along which its voxels follow each other in halves, `u` fastest.
struct FaceSquare {
    int first[3], u, v;

    // Place of voxel n of the square along u and v.
    PHYSSIM_HD static int along_u(int n) { return n % (FACE_EDGE / 2) + n / HALF_FACE * (FACE_EDGE / 2); }
    PHYSSIM_HD static int along_v(int n) { return n / (FACE_EDGE / 2) % FACE_EDGE; }

    PHYSSIM_HD explicit FaceSquare(int f) : first{0, 0, 0}, u(f < 8 ? 0 : 1), v(f < 4 || f > 7 ? 2 : 1) {
        constexpr int SIZE[3] = {BRICK_X, BRICK_Y, BRICK_Z};
        const int axis = 3 - u - v;
        const bool high = f < 8 ? f & 2 : f & 1;
        first[axis] = high ? SIZE[axis] : -1;
        if (f < 8 && f & 1) first[0] = FACE_EDGE;
    }
};

// Voxels of a block, one bit each, that lie in its first or last layer along an axis.
constexpr uint64_t LOW_SIDE[3] = {0x1111111111111111u, 0x000F000F000F000Fu, 0x000000000000FFFFu};
constexpr uint64_t HIGH_SIDE[3] = {0x8888888888888888u, 0xF000F000F000F000u, 0xFFFF000000000000u};

// Where in a block a distance is within `room` of a depth (a number, or one a voxel) and something is left, one bit a voxel.
static uint64_t near_depth(const float* d, const float* depths, float depth, float room, const float* left) {
    uint64_t found = 0;
    for (int n = 0; n < BLOCK_VOXELS; n += 16) {
        const F off = load(d + n) + (depths ? load(depths + n) : F(depth));
        found |= uint64_t{bits((F(-room) < off) & (off < F(room)) & (F(0.0f) < load(left + n)))} << n;
    }
    return found;
}

// Adds the blocks and the halves of squares of faces that the voxels `some` of block b have beside them, outside the block.
PHYSSIM_HD void add_beside(uint64_t some, int b, uint32_t& blocks, uint32_t& halves) {
    constexpr int STEP[3] = {1, ROWS_X, ROWS_X * ROWS_Y}, LAST[3] = {ROWS_X - 1, ROWS_Y - 1, BRICK_Z / BLOCK_EDGE - 1};
    const int place[3] = {b % ROWS_X, b / ROWS_X % ROWS_Y, b / (ROWS_X * ROWS_Y)}, half = place[0] / (ROWS_X / 2);
    const int low_face[3] = {8, half, 4 + half}, high_face[3] = {9, 2 + half, 6 + half};
    for (int axis = 0; axis < 3; axis++) {
        const int end = axis == 0 ? place[1] : place[0] % (FACE_EDGE / BLOCK_EDGE);  // of the square along u
        if (some & LOW_SIDE[axis]) (place[axis] > 0 ? blocks : halves) |= 1u << (place[axis] > 0 ? b - STEP[axis] : 2 * low_face[axis] + end);
        if (some & HIGH_SIDE[axis]) (place[axis] < LAST[axis] ? blocks : halves) |= 1u << (place[axis] < LAST[axis] ? b + STEP[axis] : 2 * high_face[axis] + end);
    }
}

// Runs programs on the halo of one brick after another. Its squares are the blocks of a brick of their own; blocks beyond the last
// square repeat the first.
class Halo {
  public:
    Halo(const PaintJob& job, const BodyTables& tables, const BodyMoves& moves, const BranchLists& lists, BodyWork& work)
        : job_(job), t_(tables), moves_(moves), lists_(lists), w_(work) {}

    // Goes to another brick, whose own memory is `brick`.
    void move_to(const BrickCorner& corner, const BodyWork& brick) {
        corner_ = &corner, w_.brick_number = brick.brick_number, w_.margin = brick.margin;
        begun_ = false;
    }

    // Numbers of a register after the program at `code`, in the halves of squares of a mask, of what moves as `medium` does.
    const float* made(int32_t code, int32_t result, int32_t medium, uint32_t halves, float least_radius) {
        if (!begun_) begin();
        if (moves_.moving && medium != medium_) move(medium);
        place(halves);
        run<BLOCKS>(code, t_, w_, lists_, least_radius, ALL_BLOCKS);
        run<HALF_FACE>(code, t_, w_, lists_, least_radius, halves);
        return w_.whole + int64_t{BRICK_VOXELS} * result;
    }

  private:
    const PaintJob& job_;
    const BodyTables& t_;
    const BodyMoves& moves_;
    const BranchLists& lists_;
    BodyWork& w_;
    const BrickCorner* corner_ = nullptr;
    bool begun_ = false;
    uint32_t placed_ = 0;
    int32_t medium_ = -1;
    Unmoved from_;

    void begin() {
        begun_ = true, medium_ = -1, placed_ = 0;
        w_.brick++;
        empty_box(w_.boxes);
        for (int b = 0; b < BLOCKS; b++) measure(b);
        measure_diagonal(w_);
        if (moves_.moving) place(ALL_HALVES), from_.keep(w_);
    }

    // To where the halo was at rest, as `medium` moves.
    void move(int32_t medium) {
        medium_ = medium, w_.brick++;
        unmoved_places<BLOCKS>(moves_, medium, from_.centre, w_.centre);
        unmoved_places<BRICK_VOXELS>(moves_, medium, from_.whole, w_.whole);
        empty_box(w_.boxes);
        for (int b = 0; b < BLOCKS; b++) {
            float farthest = 0.0f;
            for (int i = BLOCK_VOXELS * b; i < BLOCK_VOXELS * (b + 1); i++) {
                float square = 0.0f;
                for (int axis = 0; axis < 3; axis++) {
                    const float there = w_.whole[axis * BRICK_VOXELS + i], off = there - w_.centre[axis * BLOCKS + b];
                    w_.boxes[axis] = lesser(w_.boxes[axis], there), w_.boxes[axis + 3] = greater(w_.boxes[axis + 3], there);
                    square += off * off;
                }
                farthest = greater(farthest, square);
            }
            w_.reach[b] = square_root(farthest);
        }
        measure_diagonal(w_);
    }

    // Canonical place of a voxel index, counted from the brick's first voxel; x, y, z `next` numbers apart.
    void put(float i, float j, float k, float* out, int next) const {
        const float x = corner_->x + i, y = corner_->y + j, z = corner_->z + k;
        if (job_.lattice) return curved_place(job_, x, y, z, out, next);
        for (int axis = 0; axis < 3; axis++) {
            const float* row = job_.affine + 4 * axis;
            out[axis * next] = row[3] + row[1] * y + row[2] * z + row[0] * x;
        }
    }

    // Place of voxel (or, in steps of a half, point between voxels) u, v of a square.
    void put_on(const FaceSquare& square, float u, float v, float* out, int next) const {
        float at[3] = {static_cast<float>(square.first[0]), static_cast<float>(square.first[1]), static_cast<float>(square.first[2])};
        at[square.u] += u, at[square.v] += v;
        put(at[0], at[1], at[2], out, next);
    }

    // Middle of a block and how far its voxels are from it; widens the halo's box. A lattice bends a little within a block.
    void measure(int b) {
        constexpr float EDGE = FACE_EDGE - 1, BENT = 1.1f;
        const FaceSquare square(b < FACES ? b : 0);
        float farthest = 0.0f;
        put_on(square, 0.5f * EDGE, 0.5f * EDGE, w_.centre + b, BLOCKS);
        for (int n = 0; n < 4; n++) {
            float p[3], far = 0.0f;
            put_on(square, n & 1 ? EDGE : 0.0f, n & 2 ? EDGE : 0.0f, p, 1);
            for (int axis = 0; axis < 3; axis++) {
                const float off = p[axis] - w_.centre[BLOCKS * axis + b];
                w_.boxes[axis] = lesser(w_.boxes[axis], p[axis]), w_.boxes[axis + 3] = greater(w_.boxes[axis + 3], p[axis]);
                far += off * off;
            }
            farthest = greater(farthest, far);
        }
        w_.reach[b] = (job_.lattice ? BENT : 1.0f) * square_root(farthest);
    }

    void place(uint32_t mask) {
        in_blocks<HALF_FACE>(mask & ~placed_, [&](int at) {
            const int b = at / BLOCK_VOXELS;
            const FaceSquare square(b < FACES ? b : 0);
            for (int i = at; i < at + HALF_FACE; i++) {
                const int n = i % BLOCK_VOXELS;
                put_on(square, static_cast<float>(FaceSquare::along_u(n)), static_cast<float>(FaceSquare::along_v(n)), w_.whole + i, BRICK_VOXELS);
            }
        });
        placed_ |= mask;
    }
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
