// Runs CUDA kernels on the CPU, so that their indices can be tested without a GPU: included before cuda.cu, compiled by g++.
// The threads of a block are fibers that take turns: one runs until it ends, waits in __syncthreads() or has taken a number.
#pragma once
#include <ucontext.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#define __global__
#define __shared__ static
#define __launch_bounds__(...)

struct Index3 { unsigned x, y, z; };
static Index3 threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

static std::vector<float> shared;  // of the block that runs

struct Fiber {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(16384);
    Index3 thread;
    bool ended, waits;
};
static ucontext_t scheduler;
static Fiber* running;
static const std::function<void()>* kernel;

static void start() {
    (*kernel)();
    running->ended = true;
}

// Runs one block, thread after thread; a barrier opens when all have come to it.
static bool run_block(std::vector<Fiber>& fibers) {
    for (Fiber& fiber : fibers) {
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.data();
        fiber.context.uc_stack.ss_size = fiber.stack.size();
        fiber.context.uc_link = &scheduler;
        fiber.ended = fiber.waits = false;
        makecontext(&fiber.context, start, 0);
    }
    while (true) {
        size_t ended = 0, waiting = 0;
        for (Fiber& fiber : fibers) {
            if (!fiber.ended && !fiber.waits) {
                running = &fiber;
                threadIdx = fiber.thread;
                swapcontext(&scheduler, &fiber.context);
            }
            ended += fiber.ended, waiting += fiber.waits;
        }
        if (ended == fibers.size()) return true;
        if (waiting == 0) continue;
        if (ended != 0) return false;  // some ended while others wait: a deadlock on a GPU
        if (waiting == fibers.size())
            for (Fiber& fiber : fibers) fiber.waits = false;
    }
}

// Lets the other threads go on.
static void pause() { swapcontext(&running->context, &scheduler); }

// False when threads of a block disagree about a barrier.
static bool launch(Index3 blocks, Index3 threads, size_t shared_bytes, const std::function<void()>& body) {
    shared.resize(shared_bytes / sizeof(float));
    kernel = &body, blockDim = threads, gridDim = blocks;
    std::vector<Fiber> fibers(size_t(threads.x) * threads.y * threads.z);
    size_t f = 0;
    for (unsigned z = 0; z < threads.z; z++)
        for (unsigned y = 0; y < threads.y; y++)
            for (unsigned x = 0; x < threads.x; x++) fibers[f++].thread = {x, y, z};
    for (unsigned z = 0; z < blocks.z; z++)
        for (unsigned y = 0; y < blocks.y; y++)
            for (unsigned x = 0; x < blocks.x; x++) {
                blockIdx = {x, y, z};
                for (float& value : shared) value = NAN;
                if (!run_block(fibers)) return false;
            }
    return true;
}

}  // namespace shim

namespace physsim {
static float* block_memory() { return shim::shared.data(); }
static void add_together(int64_t* sums, int place, int64_t term) { sums[place] += term; }
static uint32_t take_number(uint32_t* next) {
    const uint32_t number = (*next)++;
    shim::pause();
    return number;
}
}  // namespace physsim

static void __syncthreads() {
    shim::running->waits = true;
    shim::pause();
}
