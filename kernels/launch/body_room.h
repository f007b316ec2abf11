// The memory with which one thread paints, and the segments of branches by brick.
#pragma once
#include <cmath>
#include <vector>

#include "body/brick.h"
#include "launch/aligned.h"

namespace physsim {

class BodyRoom {
  public:
    explicit BodyRoom(const BodyTables& t)
        : whole_(size_t{BRICK_VOXELS} * static_cast<size_t>(t.registers + t.materials + t.organs + 3 + 7)),
          middles_(size_t{BLOCKS} * static_cast<size_t>(3 * t.registers + t.frames + t.longest)),
          boxes_(static_cast<size_t>(BODY_BOX * t.frames), 0.0f),
          marks_(static_cast<size_t>(3 * t.frames + 3 * t.fields + t.parts + 2 * t.longest + 2 * t.materials + 2 * t.organs), -1),
          sums_(static_cast<size_t>(2 * t.materials * t.organs), 0) {
        float* brick = whole_.data.get();
        const auto bricks = [&](int32_t count) { float* begin = brick; brick += int64_t{BRICK_VOXELS} * count; return begin; };
        work.whole = bricks(t.registers), work.mass = bricks(t.materials), work.volume = bricks(t.organs), work.scratch = bricks(3), work.share = bricks(7);
        float* middle = middles_.data.get();
        const auto middles = [&](int32_t count) { float* begin = middle; middle += int64_t{BLOCKS} * count; return begin; };
        work.centre = middles(t.registers), work.limits = middles(2 * t.registers), work.reach = middles(t.frames), work.bounds = middles(t.longest);
        work.boxes = boxes_.data();
        int32_t* mark = marks_.data();
        const auto marks = [&](int32_t count) { int32_t* begin = mark; mark += count; return begin; };
        for (int part = 0; part < 2; part++) work.frame_mark[part] = marks(t.frames), work.field_mark[part] = marks(t.fields);
        work.frame_made = marks(t.frames), work.field_made = marks(t.fields);
        work.far_part = marks(t.parts), work.candidates = marks(t.longest), work.nearest = marks(t.longest);
        work.material_touched = marks(t.materials), work.organ_touched = marks(t.organs);
        work.material_blocks = marks(t.materials), work.organ_blocks = marks(t.organs);
        work.volumes = sums_.data(), work.masses = work.volumes + int64_t{t.materials} * t.organs;
        work.brick = 0, work.brick_number = -1, work.margin = 0.0f;
    }

    BodyWork work;

  private:
    PagedFloats whole_;
    AlignedFloats middles_;
    std::vector<float> boxes_;
    std::vector<int32_t> marks_;
    std::vector<int64_t> sums_;
};

// Of each brick of a grid (z, y, x) the segments whose reach meets it; reach (segments, 6): low and high voxel index, x first.
struct SegmentsOfBricks {
    std::vector<int32_t> first, members;

    SegmentsOfBricks(const float* reach, int64_t segments, const int32_t (&shape)[3]) {
        constexpr int SIZE[3] = {BRICK_X, BRICK_Y, BRICK_Z};
        int bricks[3];
        for (int a = 0; a < 3; a++) bricks[a] = (shape[2 - a] + SIZE[a] - 1) / SIZE[a];
        first.assign(static_cast<size_t>(bricks[0]) * static_cast<size_t>(bricks[1]) * static_cast<size_t>(bricks[2]) + 1, 0);
        for (int pass = 0; pass < 2; pass++) {
            std::vector<int32_t> at(first.begin(), first.end() - 1);
            for (int64_t s = 0; s < segments; s++) {
                const float* own = reach + 6 * s;
                if (own[3] < 0.0f || own[4] < 0.0f || own[5] < 0.0f) continue;
                int low[3], high[3];
                for (int a = 0; a < 3; a++) {
                    low[a] = std::max(static_cast<int>(own[a]) / SIZE[a], 0);
                    high[a] = std::min(static_cast<int>(own[a + 3]) / SIZE[a], bricks[a] - 1);
                }
                for (int k = low[2]; k <= high[2]; k++)
                    for (int j = low[1]; j <= high[1]; j++)
                        for (int i = low[0]; i <= high[0]; i++) {
                            const size_t brick = static_cast<size_t>(i) + static_cast<size_t>(bricks[0]) * (static_cast<size_t>(j) + static_cast<size_t>(bricks[1]) * static_cast<size_t>(k));
                            if (pass == 0) first[brick + 1]++;
                            else members[static_cast<size_t>(at[brick]++)] = static_cast<int32_t>(s);
                        }
            }
            if (pass == 1) break;
            for (size_t b = 1; b < first.size(); b++) first[b] += first[b - 1];
            members.resize(static_cast<size_t>(first.back()));
        }
    }
};

}  // namespace physsim
