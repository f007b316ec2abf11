// Where a ray crosses closed meshes: a tree of boxes first, then a test of triangles through which no ray leaks.
//
// Seen along the ray, a triangle is met when the ray lies on the same side of its three edges. The side of an edge is computed from
// its ends in the order of their numbers, so that the two triangles of an edge agree about it bit for bit, also on the edge itself.
// Reference: S. Woop, C. Benthin, I. Wald, Watertight ray/triangle intersection, J. Comput. Graph. Tech. 2 (2013) 65.
#pragma once
#include "core/platform.h"

namespace physsim {

struct TreeBox {
    float low[3], high[3];
    int32_t first, count;  // of a leaf: its triangles in the order; count 0 else
    int32_t skip;          // the box after this one and all within it
    int32_t padding;
};

// Closed meshes in one space: triangle t of the tree's order has the corners corners[3 t ...] and belongs to mesh owner[t].
struct Meshes {
    const double* vertices;
    const int32_t* corners;
    const int32_t* owner;
    const TreeBox* boxes;
    int32_t box_count;
};

struct Crossing {
    double t;      // along the ray, 0 at its start, 1 at its end
    int32_t mesh;
    int32_t into;  // 1 where the ray enters, -1 where it leaves
};

// A ray in the coordinates of the test: axis z runs along its largest component, x and y are sheared so that it points along z.
struct ShearedRay {
    double start[3], inverse[3];
    double from_x, from_y, from_z, turn_z, shear_x, shear_y;
    int32_t x, y, z;
    bool level[3];

    PHYSSIM_HD ShearedRay(const double (&from)[3], const double (&along)[3]) {
        z = size_of(along[1]) > size_of(along[0]) ? 1 : 0;
        if (size_of(along[2]) > size_of(chosen(along, z))) z = 2;
        turn_z = chosen(along, z);
        for (int a = 0; a < 3; a++) {
            start[a] = from[a], inverse[a] = 1.0 / along[a];
            level[a] = size_of(along[a]) < 1e-12 * size_of(turn_z);
        }
        x = z == 2 ? 0 : z + 1, y = x == 2 ? 0 : x + 1;
        if (turn_z < 0.0) {
            const int32_t other = x;
            x = y, y = other;
        }
        from_x = chosen(from, x), from_y = chosen(from, y), from_z = chosen(from, z);
        shear_x = chosen(along, x) / turn_z, shear_y = chosen(along, y) / turn_z;
    }

    // Without an index known at run time only, which would put the array into a GPU's memory.
    PHYSSIM_HD static double chosen(const double (&values)[3], int32_t a) { return a == 0 ? values[0] : a == 1 ? values[1] : values[2]; }
    PHYSSIM_HD static double size_of(double value) { return value < 0.0 ? -value : value; }

    // The whole line, also beyond the ray's ends: crossings come in pairs. Boxes are wider than their triangles by more than rounding.
    PHYSSIM_HD bool meets(const TreeBox& box) const {
        double from = -1e300, to = 1e300;
        for (int a = 0; a < 3; a++) {
            if (level[a]) {
                if (start[a] < box.low[a] || start[a] > box.high[a]) return false;
                continue;
            }
            const double one = (box.low[a] - start[a]) * inverse[a], other = (box.high[a] - start[a]) * inverse[a];
            const double in = one < other ? one : other, out = one < other ? other : one;
            if (in > from) from = in;
            if (out < to) to = out;
        }
        return from <= to;
    }
};

struct Seen { double x, y, z; };  // a corner from the ray

PHYSSIM_HD Seen seen(const Meshes& meshes, const ShearedRay& ray, int32_t vertex) {
    const double* p = meshes.vertices + 3 * static_cast<int64_t>(vertex);
    const double z = load_read_only(p + ray.z) - ray.from_z;
    return {(load_read_only(p + ray.x) - ray.from_x) - ray.shear_x * z, (load_read_only(p + ray.y) - ray.from_y) - ray.shear_y * z, z};
}

// Twice the area of (ray, p, q); `left`: the side, the same for both triangles of the edge whichever way they run along it.
PHYSSIM_HD double edge_area(const Seen& p, const Seen& q, int32_t p_number, int32_t q_number, bool& left) {
    const bool forward = p_number < q_number;
    const Seen &low = forward ? p : q, &high = forward ? q : p;
    const double area = low.x * high.y - low.y * high.x;
    left = (area >= 0.0) == forward;
    return forward ? area : -area;
}

// The crossing of triangle t, if there is one.
PHYSSIM_HD bool crosses(const Meshes& meshes, const ShearedRay& ray, int32_t t, Crossing& found) {
    const int32_t* corner = meshes.corners + 3 * static_cast<int64_t>(t);
    const int32_t a = load_read_only(corner), b = load_read_only(corner + 1), c = load_read_only(corner + 2);
    const Seen p = seen(meshes, ray, a), q = seen(meshes, ray, b), r = seen(meshes, ray, c);
    bool left, also, third;
    const double of_r = edge_area(p, q, a, b, left), of_p = edge_area(q, r, b, c, also), of_q = edge_area(r, p, c, a, third);
    if (left != also || also != third) return false;
    const double area = of_p + of_q + of_r;
    const double depth = area == 0.0 ? (p.z + q.z + r.z) / 3.0 : (of_p * p.z + of_q * q.z + of_r * r.z) / area;  // 0: seen edge on
    found.t = depth / ray.turn_z;
    found.mesh = load_read_only(meshes.owner + t);
    found.into = left ? -1 : 1;
    return true;
}

// Writes the crossings into found[0 .. most - 1], in no order; returns how many there are, also beyond `most`.
PHYSSIM_HD int crossings(const Meshes& meshes, const ShearedRay& ray, Crossing* found, int most) {
    int count = 0;
    for (int32_t k = 0; k < meshes.box_count;) {
        const TreeBox& box = meshes.boxes[k];
        if (!ray.meets(box)) {
            k = box.skip;
            continue;
        }
        for (int32_t t = box.first; t < box.first + box.count; t++) {
            Crossing one;
            if (!crosses(meshes, ray, t, one)) continue;
            if (count < most) found[count] = one;
            count++;
        }
        k++;
    }
    return count;
}

}  // namespace physsim
