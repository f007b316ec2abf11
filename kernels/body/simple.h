// What one voxel means to the topology of a set of closed cubes (26 neighbours; its outside has 6): all of it is in the cube of 27.
// Reference: G. Bertrand, Pattern Recognit. Lett. 15 (1994) 169 (a point is simple where both of its topological numbers are 1).
#pragma once
#include "core/platform.h"

namespace physsim {

// Bits of a cube of 27 voxels, x fastest; the voxel itself is bit 13.
constexpr uint32_t CUBE_MIDDLE = 1u << 13, CUBE_AROUND = ((1u << 27) - 1u) & ~CUBE_MIDDLE;

struct CubeTables {
    uint32_t faces = 0, near = 0;    // neighbours of the middle with a face, and with a face or an edge in common
    uint32_t edges[12], corners[8];  // voxels about each edge and corner of the middle

    constexpr CubeTables() : edges(), corners() {
        int edge = 0, corner = 0;
        for (int a = 0; a < 27; a++) {
            const int d[3] = {a % 3 - 1, a / 3 % 3 - 1, a / 9 - 1};
            const int apart = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
            if (apart == 1) faces |= 1u << a;
            if (apart == 1 || apart == 2) near |= 1u << a;
            if (apart < 2) continue;
            uint32_t about = 0;
            for (int b = 0; b < 27; b++) {
                bool in = b != 13;
                for (int axis = 0, at = b; axis < 3; axis++, at /= 3) in = in && (at % 3 - 1 == 0 || at % 3 - 1 == d[axis]);
                if (in) about |= 1u << b;
            }
            if (apart == 2) edges[edge++] = about;
            else corners[corner++] = about;
        }
    }
};
constexpr CubeTables CUBE;

// A set and what is beside it in a cube: along x, y or z (bits 1, 3 or 9 apart).
template <int APART>
constexpr uint32_t cube_side(bool last) {
    uint32_t side = 0;
    for (int n = 0; n < 27; n++) side |= static_cast<uint32_t>(n / APART % 3 == (last ? 2 : 0)) << n;
    return side;
}
template <int APART>
constexpr uint32_t spread_along(uint32_t set) {
    return set | (set & ~cube_side<APART>(true)) << APART | (set & ~cube_side<APART>(false)) >> APART;
}

// Whether all that is `counted` in a set is one piece; its voxels are neighbours by faces, or by any contact.
template <bool BY_FACES>
inline bool is_one_piece(uint32_t set, uint32_t counted) {
    counted &= set;
    uint32_t piece = counted & (0u - counted);
    for (uint32_t before = 0; before != piece;) {
        before = piece;
        if (BY_FACES) piece = (spread_along<1>(piece) | spread_along<3>(piece) | spread_along<9>(piece)) & set;
        else piece = spread_along<9>(spread_along<3>(spread_along<1>(piece))) & set;
    }
    return counted && !(counted & ~piece);
}

// Whether putting the middle into the set `around` it, or taking it out, leaves pieces, tunnels and cavities as they are.
inline bool is_simple(uint32_t around) {
    const uint32_t set = around & CUBE_AROUND;
    return is_one_piece<false>(set, set) && is_one_piece<true>(~around & CUBE.near, CUBE.faces);
}

// Change of the Euler characteristic when the middle joins the set `around` it.
inline int euler_of_joining(uint32_t around) {
    int change = -1;
    for (const uint32_t about : CUBE.corners) change += !(around & about);
    for (const uint32_t about : CUBE.edges) change -= !(around & about);
    return change + 6 - __builtin_popcount(around & CUBE.faces);
}

}  // namespace physsim
