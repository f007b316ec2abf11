// Labels of voxels: levels of mixtures by volume (physsim.body.breast.levels has the same numbers; a test compares them).
#pragma once
#include "breast/tissue.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int32_t GLAND_LEVELS = 32, SKIN_LEVELS = 8, AIR_LEVELS = 8, MUSCLE_LEVELS = 8, BLOOD_LEVELS = 4;
constexpr int32_t AIR_LABEL = 0, FAT_LABEL = 1;                             // FAT_LABEL + k: k / 32 gland in fat
constexpr int32_t SKIN_LABEL = FAT_LABEL + GLAND_LEVELS;                    // + k: k / 8 skin in fat, k = 1 .. 8
constexpr int32_t EDGE_LABEL = SKIN_LABEL + SKIN_LEVELS;                    // + k: k / 8 skin in air, k = 1 .. 7
constexpr int32_t MUSCLE_LABEL = EDGE_LABEL + AIR_LEVELS - 1;               // + k: k / 8 muscle in fat, k = 1 .. 8
constexpr int32_t BLOOD_LABEL = MUSCLE_LABEL + MUSCLE_LEVELS;               // + k: k / 4 blood in fat, k = 1 .. 4

// Volume fractions of voxels; what lies within the skin by organ, as far as it has one besides fat and gland.
struct Fractions { F covered, skin, muscle, blood, gland; };

// The labels nearest to the voxels' fractions and to what was left over in their columns, and what is left now: the rounded volume
// of all that is not fat is carried on along the beam, so that sums along a column are kept to half a level of one voxel.
PHYSSIM_HD I label_of(const Fractions& v, F& left) {
    const F total = v.skin + v.muscle + v.blood + v.gland, wanted = total + left;
    const I edge = I(EDGE_LABEL) + minimum(maximum(truncate(v.covered * F(float{AIR_LEVELS}) + F(0.5f)), I(1)), I(AIR_LEVELS - 1));
    const M of_gland = (v.skin <= v.gland) & (v.muscle <= v.gland) & (v.blood <= v.gland);
    const M of_skin = (v.muscle <= v.skin) & (v.blood <= v.skin), of_muscle = v.blood <= v.muscle;
    const auto chosen = [&](int32_t gland, int32_t skin, int32_t muscle, int32_t blood) {
        return select(of_gland, I(gland), select(of_skin, I(skin), select(of_muscle, I(muscle), I(blood))));
    };
    const F levels = to_float(chosen(GLAND_LEVELS, SKIN_LEVELS, MUSCLE_LEVELS, BLOOD_LEVELS));
    const F k = minimum(maximum(floor(wanted * levels + F(0.5f)), F(0.0f)), levels);
    const F rest = minimum(maximum(wanted - k / levels, F(-0.25f)), F(0.25f));
    const M inside = F(0.9375f) <= v.covered, filled = inside & (F(1e-4f) <= total);
    left = select(filled, rest, left);
    const I number = truncate(k), mixture = chosen(FAT_LABEL, SKIN_LABEL, MUSCLE_LABEL, BLOOD_LABEL) + number;
    const I within = select(filled & (I(0) < number), mixture, I(FAT_LABEL));
    return select(inside, within, select(F(0.0625f) <= v.covered, edge, I(AIR_LABEL)));
}

constexpr int NAMED_ORGANS = 5;
constexpr int32_t NAMED[NAMED_ORGANS] = {BreastOrgan::NIPPLE, BreastOrgan::DUCTS, BreastOrgan::NODES, BreastOrgan::PECTORAL, BreastOrgan::ARMPIT};

// The organ with the largest part of each voxel; named: fractions of the organs above.
PHYSSIM_HD I organ_of(const Fractions& v, const F (&named)[NAMED_ORGANS]) {
    F others(0.0f);
    for (int n = 0; n < NAMED_ORGANS; n++) others = others + named[n];
    const F rest = v.covered - v.skin - v.blood - others, gland = minimum(v.gland, maximum(rest, F(0.0f)));
    F most = v.skin;
    I organ(BreastOrgan::SKIN);
    const auto beside = [&](F share, int32_t number) {
        const M more = most < share;
        most = select(more, share, most), organ = select(more, I(number), organ);
    };
    beside(rest - gland, BreastOrgan::FAT);
    beside(gland, BreastOrgan::GLAND);
    beside(v.blood, BreastOrgan::VESSELS);
    for (int n = 0; n < NAMED_ORGANS - 1; n++) beside(named[n], NAMED[n]);
    const M armpit = (most <= named[NAMED_ORGANS - 1]) & (F(0.0f) < named[NAMED_ORGANS - 1]);  // its skin is its own
    organ = select(armpit, I(BreastOrgan::ARMPIT), organ);
    return select(v.covered < F(0.5f), I(BreastOrgan::BACKGROUND), organ);
}

}  // namespace PHYSSIM_ISA
}  // namespace physsim
