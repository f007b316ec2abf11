#define PHYSSIM_ISA scatter_any
#define PHYSSIM_ISA_NAME "baseline"
#include "launch/scatter_histories_body.h"

namespace physsim {
const ScatterHistories& scatter_baseline() { return scatter_any::histories_table; }
ViewOfScan scan_views_baseline() { return scatter_any::view_of_scan; }
}  // namespace physsim
