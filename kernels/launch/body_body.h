// Included by one translation unit an instruction set, after its target pragma. No std:: templates.
// Comparisons of numbers trap nowhere here: without this, a choice between two values stays a branch and its loop scalar.
#pragma GCC optimize("no-trapping-math")
#include "body/group.h"
#include "launch/body_table.h"
#include "launch/breast_body.h"

namespace physsim {
namespace PHYSSIM_ISA {

static const BodyTable table = {PHYSSIM_ISA_NAME, GROUP, paint_group, values_at, breast_table};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
