// Forced detection of one instruction set: groups of targets that hear of all events in a fixed order. Included by one translation unit an
// instruction set, after its target pragma. No std:: templates.
#include "launch/scatter_nodes_table.h"
#include "transport/node_detection.h"

namespace physsim {
namespace PHYSSIM_ISA {

constexpr int32_t EVENTS_IN_FLOAT = 32;  // summed in float32 before they are added in float64

static void detect_nodes_of(const ScatterScene& scene, const ScatterEvent* events, int32_t count, int32_t target, float thinned_below, double* compton, double* rayleigh) {
    alignas(64) float sums[2][LANES];
    for (int32_t to = target; to < target + TARGETS_AT_ONCE; to += LANES)
        for (int32_t n = 0; n < count; n += EVENTS_IN_FLOAT) {
            NodeScore total = {F(0.0f), F(0.0f)};
            for (int32_t k = n; k < count && k < n + EVENTS_IN_FLOAT; k++) {
                if (!(events[k].weight > 0.0f)) continue;
                const NodeScore score = detect_nodes(scene.cells, scene.tables, scene.targets, events[k], to, thinned_below);
                total.compton = total.compton + score.compton, total.rayleigh = total.rayleigh + score.rayleigh;
            }
            store(sums[0], total.compton), store(sums[1], total.rayleigh);
            for (int32_t l = 0; l < LANES; l++) {
                compton[to + l] += static_cast<double>(sums[0][l]);
                rayleigh[to + l] += static_cast<double>(sums[1][l]);
            }
        }
}

// Root of the summed squares of each event's scores on all targets.
static void reach_nodes_of(const ScatterScene& scene, const ScatterEvent* events, int32_t count, float* worth) {
    alignas(64) float lanes[LANES];
    for (int32_t n = 0; n < count; n++) {
        F squares(0.0f);
        for (int32_t to = 0; to < scene.targets.count; to += LANES) {
            const NodeScore score = detect_nodes(scene.cells, scene.tables, scene.targets, events[n], to, 0.0f);
            squares = multiply_add(score.compton, score.compton, squares);
        }
        store(lanes, squares);
        float sum = 0.0f;
        for (int32_t l = 0; l < LANES; l++) sum += lanes[l];
        worth[n] = sqrtf(sum);
    }
}

static const NodeKernels table = {PHYSSIM_ISA_NAME, detect_nodes_of, reach_nodes_of};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
