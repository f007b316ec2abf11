// Included by one translation unit an instruction set, after its target pragma: histories one lane wide. No std:: templates.
#include "launch/scan_views_table.h"
#include "launch/scatter_nodes_table.h"
#include "transport/scan_views.h"
#include "transport/scatter_history.h"

namespace physsim {
namespace PHYSSIM_ISA {

static void first_events(const ScatterScene& scene, const SobolPoints& points, uint32_t first, int32_t count, ScatterEvent* events) {
    for (int32_t n = 0; n < count; n++) {
        const uint32_t number = first + static_cast<uint32_t>(n);
        Matter matter;
        const Walker photon = first_collision(scene, points, number, static_cast<float>(DEPTH_BIAS), matter);
        events[n] = {};
        if (photon.weight > 0.0f)
            events[n] = event_of(scene, photon, matter, static_cast<float>(sobol(points, 4, number)), static_cast<float>(sobol(points, 5, number)));
    }
}

static int32_t history_events(const ScatterScene& scene, const SobolPoints& points, uint32_t number, const Stream& stream, uint32_t batch, ScatterEvent* events,
                              int32_t count, int32_t room) {
    EventList list = {events, count, room, false};
    scatter_history(scene, points, number, stream, batch, list);
    return list.overflow ? -1 : list.count;
}

// Events of unit weight and isotropic emission; optical depths count `share`.
static void probe_events(const ScatterScene& scene, float energy_kev, float share, const float* places, int32_t count, ScatterEvent* events) {
    const BasisFunctions functions = basis_functions(scene.cells, scene.tables, energy_kev);
    for (int32_t n = 0; n < count; n++) {
        events[n] = {};
        for (int a = 0; a < 3; a++) events[n].at[a] = places[3 * n + a];
        for (int k = 0; k < MOST_BASIS; k++) events[n].functions[0][k] = share * functions.f[k];
        events[n].energy_kev = energy_kev, events[n].weight = 1.0f, events[n].jitter[0] = events[n].jitter[1] = 0.5f;
    }
}

// means: (cells y, cells x, MOST_BASIS + 1) of the layer, zero at first; the last is the sum of squares of the first.
static void layer_means(const FineVoxels& fine, const float* coefficient, const int32_t (&factor)[3], const int32_t (&cells)[3], int32_t layer, float* means) {
    const int32_t last = (layer + 1) * factor[2] < fine.shape[2] ? (layer + 1) * factor[2] : fine.shape[2];
    for (int32_t z = layer * factor[2]; z < last; z++)
        for (int32_t y = 0; y < fine.shape[1]; y++) {
            float* row = means + static_cast<int64_t>(y / factor[1]) * cells[0] * (MOST_BASIS + 1);
            const int64_t voxel = (static_cast<int64_t>(z) * fine.shape[1] + y) * fine.shape[0];
            for (int32_t c = 0, x = 0; c < cells[0]; c++) {
                const int32_t end = x + factor[0] < fine.shape[0] ? x + factor[0] : fine.shape[0];
                float sum[MOST_BASIS] = {}, squares = 0.0f;
                for (; x < end; x++) {
                    const Matter matter = matter_of(fine, voxel + x);
                    const float* own = coefficient + matter.material * MOST_BASIS;
                    for (int k = 0; k < MOST_BASIS; k++) sum[k] += matter.density * own[k];
                    squares += matter.density * own[0] * (matter.density * own[0]);
                }
                for (int k = 0; k < MOST_BASIS; k++) row[c * (MOST_BASIS + 1) + k] += sum[k];
                row[c * (MOST_BASIS + 1) + MOST_BASIS] += squares;
            }
        }
}

static const ScatterHistories histories_table = {PHYSSIM_ISA_NAME, first_events, history_events, probe_events, field_rays, layer_means};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
