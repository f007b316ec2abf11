// Threads of one call: started when it begins, joined when it ends, so that a fork between calls finds none.
#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace physsim {

class Team {
  public:
    explicit Team(int threads) : size_(threads) {}
    int size() const { return size_; }

    // Runs work(thread) on every thread; the caller is thread 0.
    void run(const std::function<void(int)>& work) {
        std::vector<std::thread> others;
        for (int t = 1; t < size_; t++) others.emplace_back(work, t);
        work(0);
        for (std::thread& other : others) other.join();
    }

    // Waits until every thread is here. Spins briefly, then sleeps: other programs compute on this machine too.
    void barrier() {
        if (size_ == 1) return;
        const unsigned round = round_.load();
        if (arrived_.fetch_add(1) + 1 == size_) {
            arrived_.store(0);
            { std::lock_guard<std::mutex> lock(mutex_); round_.fetch_add(1); }
            all_here_.notify_all();
            return;
        }
        for (int spin = 0; spin < 4000; spin++) {
            if (round_.load(std::memory_order_acquire) != round) return;
            __builtin_ia32_pause();
        }
        std::unique_lock<std::mutex> lock(mutex_);
        all_here_.wait(lock, [&] { return round_.load() != round; });
    }

  private:
    int size_;
    std::atomic<int> arrived_{0};
    std::atomic<unsigned> round_{0};
    std::mutex mutex_;
    std::condition_variable all_here_;
};

// Hands out 0 .. count - 1 once each, in order.
class Queue {
  public:
    void reset() { next_.store(0, std::memory_order_relaxed); }
    bool take(int count, int& item) {
        item = next_.fetch_add(1, std::memory_order_relaxed);
        return item < count;
    }

  private:
    std::atomic<int> next_{0};
};

}  // namespace physsim
