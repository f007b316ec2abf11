// A compiled body as flat tables, the instructions of its program, and what one thread knows of the brick that it paints.
#pragma once
#include "core/platform.h"

// Operands by column of `code`: 1 dst, 2 a, 3 b, 4 c, 5 first constant, 6 and 7 whole numbers, 8 frame.
#define PHYSSIM_BODY_OPERATIONS(X) \
    X(RETURN) X(CONST) X(COPY) X(ADD) X(SUB) X(MUL) X(DIV) X(MIN) X(MAX) X(LT) X(POW) \
    X(ADD_CONST) X(MUL_CONST) X(MIN_CONST) X(MAX_CONST) X(POW_CONST) X(CONST_DIV) X(LT_CONST) X(CONST_LT) \
    X(NEG) X(ABS) X(SQRT) X(EXP) X(LOG) X(SIN) X(COS) X(SIGMOID) X(TABLE) X(NOISE) \
    X(ELLIPSOID) X(SUPERELLIPSOID) X(ROUND_TUBE) X(ELLIPTIC_TUBE) X(BRANCHES) X(LOFT) X(PLATE) X(SHEET) X(PLANE) \
    X(PART) X(JOIN) X(JOIN_PAYLOAD) X(CALL) X(FRAME)

// The voxels of a brick are x fastest, and belong together in memory: loops over them are what this folder's speed comes from.
#define PHYSSIM_OVER_VOXELS _Pragma("GCC ivdep")

namespace physsim {

constexpr int BRICK_X = 16, BRICK_Y = 8, BRICK_Z = 8, BRICK_VOXELS = BRICK_X * BRICK_Y * BRICK_Z;
// A brick's voxels are kept block by block, x fastest among the blocks and within each: what can be left out is known of blocks.
constexpr int BLOCK_EDGE = 4, BLOCK_VOXELS = BLOCK_EDGE * BLOCK_EDGE * BLOCK_EDGE, BLOCKS = BRICK_VOXELS / BLOCK_VOXELS;
constexpr uint32_t ALL_BLOCKS = (1u << BLOCKS) - 1u;
constexpr int ROWS_X = BRICK_X / BLOCK_EDGE, ROWS_Y = BRICK_Y / BLOCK_EDGE;  // blocks of a brick along x and y
constexpr int BODY_CODE_COLUMNS = 9, BODY_SEGMENT = 24, BODY_LOFT_ROW = 6, BODY_TRIANGLE = 31;  // numbers a row
constexpr int BODY_FRAME_INTS = 6, BODY_FRAME_FLOATS = 12, BODY_STRUCTURE_INTS = 7, BODY_STRUCTURE_FLOATS = 7;
constexpr int BODY_LAYER_INTS = 8, BODY_LAYER_FLOATS = 2, BODY_BOX = 7, BODY_MOST_CALLS = 64;
constexpr int BODY_FIXED = 1 << 18;  // a voxel, in the whole numbers that volumes are summed in
constexpr float BODY_DENSEST = 7.5f;  // relative density that the sums can hold
constexpr float BODY_FAR = 1e6f, BODY_TINY = 1e-12f;

enum class Operation : int32_t {
#define X(name) name,
    PHYSSIM_BODY_OPERATIONS(X)
#undef X
};
enum class Joining : int32_t { ADD, SUBTRACT, KEEP };

// physsim.body.arrays.Tables, which says what each column holds.
struct BodyTables {
    const int32_t* code;
    const float* data;
    const int32_t* frame_int;
    const float* frame_float;
    const int32_t* structure_int;
    const float* structure_float;
    const int32_t* layer_int;
    const float* layer_float;
    const float* material_density;
    int32_t frames, structures, materials, organs, fields, parts, registers, longest;
};

// Displacements (media, nz, ny, nx, 3) at the nodes of a lattice; place: its origin and 1 / step.
struct BodyLattice {
    const float *values, *place;
    int32_t shape[3];  // z, y, x

    PHYSSIM_HD const float* of(int32_t medium) const { return values + int64_t{3} * medium * shape[0] * shape[1] * shape[2]; }
};

// physsim.body.arrays.Moves: by `outer` first, then, when `twice`, by `inner` (a motion that came before it).
struct BodyMoves {
    const int32_t *medium, *thins;
    BodyLattice outer, inner;
    const float* rigid;
    int32_t media;
    bool moving, twice;
};

// Of each brick the segments of branches that come near it.
struct BranchLists { const int32_t* first; const int32_t* members; };

// Memory of one thread. Rows of `whole` hold one number a voxel, of `centre` one for the middle of each block; limits (registers, low and
// high, blocks): bounds of distances over each block. boxes (frames, 7): low and high corner of the brick in each frame, half its
// diagonal; reach (frames, blocks): how far a voxel is from its block's middle. *_mark: the last brick (of the blocks' middles, of the
// voxels) that a frame or field was made for, and *_made for which blocks of it. far_part: blocks in which a part changes nothing. *_blocks: those where a material or organ was met in the brick *_touched.
struct BodyWork {
    float* whole;
    float* centre;
    float* limits;
    float* boxes;
    float* reach;
    int32_t* frame_mark[2];
    int32_t* field_mark[2];
    int32_t* frame_made;
    int32_t* field_made;
    int32_t* far_part;
    int32_t* candidates;
    int32_t* nearest;
    float* bounds;  // (longest, blocks)
    float* scratch;  // (3, voxels)
    float* mass;
    float* volume;
    int32_t* material_touched;
    int32_t* organ_touched;
    int32_t* material_blocks;
    int32_t* organ_blocks;
    float* share;  // (7, voxels)
    int64_t* volumes;  // (materials, organs): sums in fixed point
    int64_t* masses;
    int32_t brick, brick_number;  // a stamp; the brick's place in the lists of branches, or -1 for all
    float margin;  // mm from a surface within which distances must be right
};

// What is painted: arrays (nz, ny, nx). `affine` (3, 4): canonical mm from voxel indices, or with a lattice (3, nodes z, y, x) of
// canonical mm the place in it. `extent`: half-extents of a brick of voxel centres, and half its diagonal.
struct PaintJob {
    int32_t shape[3];
    float affine[12], extent[BODY_BOX], voxel;
    const float* lattice;
    int32_t nodes[3];
    void* labels;
    void* organs;
    void* density;
    int32_t label_bytes, organ_bytes, density_bytes;
};

}  // namespace physsim
