// Included by one translation unit an instruction set, after its target pragma. No std:: templates.
// Comparisons of numbers trap nowhere here: without this, a choice between two values stays a branch and its loop scalar.
#pragma GCC optimize("no-trapping-math")
#include "body/paint.h"
#include "launch/body_table.h"
#include "launch/breast_body.h"

namespace physsim {
namespace PHYSSIM_ISA {

static void paint_row(const PaintJob& job, const BodyTables& tables, const BodyMoves& moves, const BranchLists& lists, BodyWork& work, BodyWork& beside, int by, int bz,
                      int32_t* in_row) {
    const int found = structures_of_row(job, tables, by, bz, in_row), bricks = (job.shape[2] + BRICK_X - 1) / BRICK_X;
    Painter painter(job, tables, moves, lists, work, beside);
    for (int bx = 0; bx < bricks; bx++) painter.brick(bx, by, bz, in_row, found);
}

static const BodyTable table = {PHYSSIM_ISA_NAME, paint_row, values_at, breast_table};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
