// The kernels that paint bodies, of one instruction set, as plain function pointers.
#pragma once
#include "body/brick.h"
#include "launch/breast_table.h"

namespace physsim {

struct BodyTable {
    const char* name;
    // Paints the row of bricks along x at by, bz. `beside`: memory for what stands beside a brick; in_row: room for all structures.
    void (*paint_row)(const PaintJob&, const BodyTables&, const BodyMoves&, const BranchLists&, BodyWork&, BodyWork& beside, int by, int bz, int32_t* in_row);
    void (*values_at)(int at, int result, const float* points, int64_t count, float* values, float margin, const BodyTables&, BodyWork&);
    BreastTable breast;
};

const BodyTable& body_baseline();
const BodyTable& body_avx2();
const BodyTable& body_avx512();

}  // namespace physsim
