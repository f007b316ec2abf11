// Photon transport on CUDA: as many threads as the GPU holds at once, each with a photon of its own; who has none takes the next number.
// Compiled without contraction of a * b + c: the same photons as on the CPU.
#include "transport/traveller.h"

using namespace physsim;
using namespace physsim::PHYSSIM_ISA;

// Photons first .. first + count - 1, whose numbers have the same upper half; count and threads together stay below 2^32.
struct PhotonNumbers {
    uint32_t first, upper, count;
    int32_t regions;   // of the tally
    int32_t in_block;  // are they added up in the memory of a block first?
    uint32_t* taken;   // how many of the numbers beyond the first of each thread
};

extern "C" __global__ void __launch_bounds__(128, 6) transport_photons(MonteCarloJob job, MonteCarloTally tally, PhotonNumbers numbers) {
    int64_t* const regions = tally.regions;
    if (numbers.in_block) {
        tally.regions = reinterpret_cast<int64_t*>(block_memory());
        for (int r = threadIdx.x; r < numbers.regions; r += blockDim.x) tally.regions[r] = 0;
        __syncthreads();
    }
    uint32_t next = blockIdx.x * blockDim.x + threadIdx.x;
    Traveller traveller(job, tally, numbers.upper);
    while (traveller.flies() || next < numbers.count) {
        if (!traveller.flies()) {
            traveller.begin(numbers.first + next);
            next = gridDim.x * blockDim.x + take_number(numbers.taken);
        }
        if (traveller.flies()) traveller.go_on();
    }
    traveller.hand_in();
    if (!numbers.in_block) return;
    __syncthreads();
    for (int r = threadIdx.x; r < numbers.regions; r += blockDim.x)
        if (tally.regions[r] != 0) add_shared(regions + r, tally.regions[r]);
}
