// Voxel types as they are stored, and their values: no conversion copy of a volume is needed.
#pragma once
#include "core/platform.h"

namespace physsim {

struct HalfVoxel { uint16_t bits; };

PHYSSIM_HD float voxel_value(const float* p) { return load_read_only(p); }
PHYSSIM_HD float voxel_value(const uint8_t* p) { return static_cast<float>(load_read_only(p)); }
PHYSSIM_HD float voxel_value(const uint16_t* p) { return static_cast<float>(load_read_only(p)); }
PHYSSIM_HD float voxel_value(const int16_t* p) { return static_cast<float>(load_read_only(p)); }
PHYSSIM_HD float voxel_value(const HalfVoxel* p) { return from_half(load_read_only(&p->bits)); }

}  // namespace physsim
