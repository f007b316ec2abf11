// Views of a scan for one instruction set, as a plain function pointer.
#pragma once
#include <cstdint>

namespace physsim {

struct ScanGrid;
using ViewOfScan = void (*)(const ScanGrid&, const double* weights, double* grid, float* rows, float* out);

ViewOfScan scan_views_baseline();
ViewOfScan scan_views_avx2();

}  // namespace physsim
