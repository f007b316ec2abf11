// Mending of organs' labels for Python.
#pragma once
#include "body/mend.h"
#include "launch/bind_fields.h"

namespace {

// organs (nz, ny, nx) uint8 or uint16 are mended in place; rules: int32 arrays betti (n, 3), judged, conduit (n), first (n + 1), held, and
// numbers crumb, tear. Returns (voxels, 3) int64: index, label before, label after.
py::array_t<int64_t> mend_organs(py::array organs, const py::dict& rules, int threads) {
    if (organs.ndim() != 3 || !(organs.flags() & py::array::c_style) || !organs.writeable())
        throw std::invalid_argument("organs must be (z, y, x) in C order, writeable");
    const auto size = [&](int axis) { return static_cast<int32_t>(organs.shape(axis)); };
    const Fields fields(rules);
    MendRules own = {};
    own.betti = fields.array<int32_t>("betti"), own.judged = fields.array<int32_t>("judged"), own.conduit = fields.array<int32_t>("conduit");
    own.first = fields.array<int32_t>("first"), own.held = fields.array<int32_t>("held");
    own.organs = static_cast<int32_t>(fields.voxels("judged").shape(0));
    own.crumb = fields.number<int32_t>("crumb"), own.tear = fields.number<int32_t>("tear");
    std::vector<MendedVoxel> mended;
    const auto run = [&](auto* labels) {
        const LabelVolume<std::remove_pointer_t<decltype(labels)>> volume = {labels, {size(0), size(1), size(2)}};
        py::gil_scoped_release release;
        mended = std::move(Mender(volume, own, std::max(1, threads)).mended);
    };
    if (organs.itemsize() == 1) run(static_cast<uint8_t*>(organs.mutable_data()));
    else run(static_cast<uint16_t*>(organs.mutable_data()));
    py::array_t<int64_t> rows({static_cast<py::ssize_t>(mended.size()), py::ssize_t{3}});
    int64_t* out = rows.mutable_data();
    for (const MendedVoxel& one : mended) *out++ = one.index, *out++ = one.before, *out++ = one.after;
    return rows;
}

}  // namespace
