// Included by one translation unit an instruction set, after its target pragma. No std:: templates here: their weak
// symbols would be shared between the units and could bring instructions that an older CPU lacks.
#include "launch/physics.h"
#include "launch/scatter.h"
#include "launch/table.h"
#include "raytrace/columns.h"
#include "raytrace/pack.h"
#include "raytrace/columns_adjoint.h"
#include "raytrace/packets.h"
#include "raytrace/joseph.h"
#include "raytrace/joseph_gradient.h"
#include "raytrace/packets_adjoint.h"
#include "raytrace/unpack.h"
#include "raytrace/signal.h"
#include "raytrace/spectral_columns.h"
#include "raytrace/spectral_pack.h"
#include "raytrace/spectral_packets.h"

namespace physsim {
namespace PHYSSIM_ISA {

static const KernelTable table = {
    PHYSSIM_ISA_NAME,
    [](const Volume& volume, const ColumnTile& tile, int row) { pack(volume, tile, row); },
    [](const Volume& volume, const BlockTile& tile, int layer) { pack(volume, tile, layer); },
    project_columns,
    finish_columns,
    project_packets,
    GROUP_VOXELS,
    [](int rows) { return column_adjoint_scratch(rows); },
    begin_columns,
    backproject_columns,
    unpack_columns,
    backproject_packets,
    unpack_block,
    project_joseph,
    backproject_joseph,
    joseph_gradient,
    {pack_spectral_columns, pack_spectral_block, spectral_columns, spectral_packets, finish_groups, survey_layer},
    ask_photons,
    scatter_kernels,
};

}  // namespace PHYSSIM_ISA
}  // namespace physsim
