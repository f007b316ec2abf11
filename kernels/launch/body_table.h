// The kernels that paint bodies, of one instruction set, as plain function pointers.
#pragma once
#include "body/brick.h"
#include "launch/breast_table.h"

namespace physsim {

struct BodyTable {
    const char* name;
    int group;  // bricks along each axis that are looked at together
    // Paints the groups of bricks along x at gy, gz. `beside`: memory for what stands beside a brick; in_row: room for all structures twice.
    void (*paint_group)(const PaintJob&, const BodyTables&, const BodyMoves&, const BranchLists&, BodyWork&, BodyWork& beside, int gy, int gz, int32_t* in_row);
    void (*values_at)(int at, int result, const float* points, int64_t count, float* values, float margin, const BodyTables&, BodyWork&);
    BreastTable breast;
};

const BodyTable& body_baseline();
const BodyTable& body_avx2();
const BodyTable& body_avx512();

}  // namespace physsim
