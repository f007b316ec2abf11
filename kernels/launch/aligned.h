// Memory on whole cache lines; in large pages where it is large and the system has them: a tile's columns lie a page apart.
// Large rooms are kept from call to call: memory given back must be found and cleared by the system again, which on a virtual machine
// whose host takes free pages costs more than the work that is done in it.
#pragma once
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

namespace physsim {

constexpr size_t LARGE_PAGE = size_t{2} << 20;
constexpr size_t MOST_KEPT = size_t{256} << 20;  // bytes between calls, of the whole process

// Large rooms that no call uses. A thread that finds another one here (or the lock of a thread that a fork left behind) does without.
class KeptRooms {
  public:
    static KeptRooms& of_process() {
        static KeptRooms* rooms = new KeptRooms;  // never destroyed: threads may end after it
        return *rooms;
    }

    // The smallest room of at least `bytes` and at most twice as many, or null; `bytes` becomes its size.
    void* take(size_t& bytes) {
        std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
        if (!lock) return nullptr;
        size_t best = rooms_.size();
        for (size_t i = 0; i < rooms_.size(); i++)
            if (rooms_[i].bytes >= bytes && rooms_[i].bytes / 2 <= bytes && (best == rooms_.size() || rooms_[i].bytes < rooms_[best].bytes)) best = i;
        if (best == rooms_.size()) return nullptr;
        const Room room = rooms_[best];
        rooms_.erase(rooms_.begin() + static_cast<std::ptrdiff_t>(best));
        kept_ -= room.bytes, bytes = room.bytes;
        return room.data;
    }

    // Keeps a room, in place of the oldest where there would be too many bytes.
    void give(void* data, size_t bytes) {
        std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
        if (!lock || bytes > MOST_KEPT) return std::free(data);
        rooms_.push_back({data, bytes}), kept_ += bytes;
        while (kept_ > MOST_KEPT) drop_oldest();
    }

    // Returns the bytes that the system gets back.
    size_t clear() {
        std::lock_guard<std::mutex> lock(mutex_);
        const size_t had = kept_;
        while (!rooms_.empty()) drop_oldest();
        return had;
    }

  private:
    struct Room { void* data; size_t bytes; };
    std::vector<Room> rooms_;  // oldest first
    size_t kept_ = 0;
    std::mutex mutex_;

    void drop_oldest() {
        std::free(rooms_.front().data), kept_ -= rooms_.front().bytes;
        rooms_.erase(rooms_.begin());
    }
};

// Holds anything; of a large one that is new, the thread that writes first gets the page.
struct PagedFloats {
    struct Give {
        size_t bytes;
        void operator()(float* p) const { bytes < LARGE_PAGE ? std::free(p) : KeptRooms::of_process().give(p, bytes); }
    };
    std::unique_ptr<float[], Give> data;

    explicit PagedFloats(size_t count) : data(nullptr, Give{0}) {
        const size_t page = count * sizeof(float) < LARGE_PAGE ? 64 : LARGE_PAGE;
        size_t bytes = (count * sizeof(float) + page - 1) / page * page;
        void* room = page == LARGE_PAGE ? KeptRooms::of_process().take(bytes) : nullptr;
        if (!room) {
            room = std::aligned_alloc(page, bytes);
            if (!room) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
            if (page == LARGE_PAGE) madvise(room, bytes, MADV_HUGEPAGE);  // advice: without large pages it is only slower
#endif
        }
        data = std::unique_ptr<float[], Give>(static_cast<float*>(room), Give{bytes});
    }
};

// Zeros.
struct AlignedFloats : PagedFloats {
    explicit AlignedFloats(size_t count) : PagedFloats(count) { std::fill(data.get(), data.get() + count, 0.0f); }
};

}  // namespace physsim
