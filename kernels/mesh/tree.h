// A tree of boxes over triangles, without pointers: boxes in depth-first order, each with the index of the box that follows
// when its triangles are out of the way. A ray looks at them from first to last, so that it needs no stack.
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "mesh/crossings.h"

namespace physsim {

constexpr int MOST_IN_LEAF = 4;

struct Tree {
    std::vector<TreeBox> boxes;
    std::vector<int32_t> order;  // triangles, those of a leaf beside each other
};

class TreeMaker {
  public:
    // vertices: (n, 3), corners: (count, 3) into them.
    TreeMaker(const double* vertices, const int32_t* corners, int count) : vertices_(vertices), corners_(corners), middle_(3 * static_cast<size_t>(count)) {
        tree_.order.resize(static_cast<size_t>(count));
        std::iota(tree_.order.begin(), tree_.order.end(), 0);
        for (int t = 0; t < count; t++)
            for (int a = 0; a < 3; a++) middle_[3 * static_cast<size_t>(t) + a] = (corner(t, 0, a) + corner(t, 1, a) + corner(t, 2, a)) / 3.0;
        double low[3] = {1e300, 1e300, 1e300}, high[3] = {-1e300, -1e300, -1e300};
        for (int t = 0; t < count; t++)
            for (int k = 0; k < 3; k++)
                for (int a = 0; a < 3; a++) low[a] = std::min(low[a], corner(t, k, a)), high[a] = std::max(high[a], corner(t, k, a));
        for (int a = 0; a < 3; a++) slack_ = std::max(slack_, 1e-6 * (high[a] - low[a]));
        if (count > 0) split(0, count);
    }
    Tree take() { return std::move(tree_); }

  private:
    double corner(int triangle, int k, int a) const { return vertices_[3 * static_cast<int64_t>(corners_[3 * static_cast<int64_t>(triangle) + k]) + a]; }

    // Halves by the middles along the longest side of their box: ties go by number, so that the tree is the same everywhere.
    void split(int from, int to) {
        const size_t own = tree_.boxes.size();
        tree_.boxes.push_back({});
        double low[3] = {1e300, 1e300, 1e300}, high[3] = {-1e300, -1e300, -1e300}, first[3], last[3];
        std::copy(low, low + 3, first), std::copy(high, high + 3, last);
        for (int i = from; i < to; i++) {
            const int t = tree_.order[static_cast<size_t>(i)];
            for (int a = 0; a < 3; a++) {
                for (int k = 0; k < 3; k++) low[a] = std::min(low[a], corner(t, k, a)), high[a] = std::max(high[a], corner(t, k, a));
                const double m = middle_[3 * static_cast<size_t>(t) + a];
                first[a] = std::min(first[a], m), last[a] = std::max(last[a], m);
            }
        }
        TreeBox box = {};
        for (int a = 0; a < 3; a++) {  // outwards: a float may round either way
            box.low[a] = std::nextafter(static_cast<float>(low[a] - slack_), -3e38f);
            box.high[a] = std::nextafter(static_cast<float>(high[a] + slack_), 3e38f);
        }
        if (to - from <= MOST_IN_LEAF) {
            box.first = from, box.count = to - from;
        } else {
            int axis = 0;
            for (int a = 1; a < 3; a++)
                if (last[a] - first[a] > last[axis] - first[axis]) axis = a;
            const int half = from + (to - from) / 2;
            const auto before = [&](int s, int t) {
                const double x = middle_[3 * static_cast<size_t>(s) + axis], y = middle_[3 * static_cast<size_t>(t) + axis];
                return x < y || (x == y && s < t);
            };
            std::nth_element(tree_.order.begin() + from, tree_.order.begin() + half, tree_.order.begin() + to, before);
            split(from, half);
            split(half, to);
        }
        box.skip = static_cast<int32_t>(tree_.boxes.size());
        tree_.boxes[own] = box;
    }

    const double* vertices_;
    const int32_t* corners_;
    std::vector<double> middle_;
    double slack_ = 0.0;
    Tree tree_;
};

}  // namespace physsim
