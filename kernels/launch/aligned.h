// Memory on whole cache lines; in large pages where it is large and the system has them: a tile's columns lie a page apart.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

namespace physsim {

// Untouched: the thread that writes first gets the page.
struct PagedFloats {
    std::unique_ptr<float[], void (*)(float*)> data;

    explicit PagedFloats(size_t count) : data(nullptr, [](float* p) { std::free(p); }) {
        const size_t large = size_t{2} << 20, page = count * sizeof(float) < large ? 64 : large;
        const size_t bytes = (count * sizeof(float) + page - 1) / page * page;
        data.reset(static_cast<float*>(std::aligned_alloc(page, bytes)));
        if (!data) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
        if (page == large) madvise(data.get(), bytes, MADV_HUGEPAGE);  // advice: without large pages it is only slower
#endif
    }
};

// Zeros.
struct AlignedFloats : PagedFloats {
    explicit AlignedFloats(size_t count) : PagedFloats(count) { std::fill(data.get(), data.get() + count, 0.0f); }
};

}  // namespace physsim
