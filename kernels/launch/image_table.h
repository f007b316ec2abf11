// The kernels that make images of signals, of one instruction set, as plain function pointers.
#pragma once
#include "core/random_words.h"
#include "detect/blur_job.h"
#include "detect/count_noise_job.h"
#include "detect/layer_quanta_job.h"
#include "detect/read_out_job.h"
#include "detect/water_lengths_job.h"
#include "reconstruct/helical_views.h"

namespace physsim {

constexpr int NOISE_RUN = 64;  // pixels whose noise is made at once

// Of one view: its words, its pixels, and cumulants of each pixel's signal.
struct CumulantNoise {
    Stream stream;
    Word view;
    int64_t pixels;
    const float *mean, *variance, *third;
    float* out;
};

// Of some pixels of one view: their numbers in it, mean counts (classes, pixels) of quanta, and what each class deposits.
struct CompoundNoise {
    Stream stream;
    Word view;
    int64_t pixels;
    const int32_t* number;
    int32_t classes;
    const float *mean, *deposit;
    float* out;
};

struct ImageTable {
    const char* name;
    int64_t (*filter_room)(const RowFilter&);  // floats
    // ROWS_AT_ONCE rows of an image from `first` on, into a view's place.
    void (*filter_rows)(const RowFilter&, const float* image, int first, float* room, float* out);
    // Adds views to the columns of voxels [from, to); sums: (b, a, height) of all columns; room: a column of pixels, 0.
    void (*backproject)(const Backprojection&, const int (&from)[2], const int (&to)[2], float* sums, int64_t height, float* room);
    void (*rebin_view)(const FanRebinning&, double at, float* room, float* out);  // room: 6 x columns floats
    // The same for the angles of a helix; room: most_turns columns of pixels, 0.
    void (*backproject_helix)(const HelicalBackprojection&, const int (&from)[2], const int (&to)[2], float* sums, int64_t height, float* room, TurnSight* sights);
    void (*cumulant_noise)(const CumulantNoise&, int64_t first);  // NOISE_RUN pixels from `first` on
    void (*compound_noise)(const CompoundNoise&, int64_t first);  // up to 16 pixels from `first` on
    void (*layer_quanta)(const LayerQuanta&, int64_t view, int64_t first);  // NOISE_RUN pixels of a view from `first` on
    int64_t (*count_room)(const CountNoise&);  // floats
    CountSums (*count_view)(const CountNoise&, int64_t view, float* room);
    int64_t (*dead_time_room)(const DeadTimeCorrection&);  // floats
    int64_t (*without_dead_time)(const DeadTimeCorrection&, int64_t first, int64_t last, float* room);  // of pixels [first, last); how many are beyond correction
    void (*blur_tile)(const Blur&, const float* image, int row, int column, float* room, float* out);  // room: BLUR_ROOM floats
    int64_t (*read_out)(const ReadOut&, int64_t first);  // all views of NOISE_RUN pixels from `first` on; how many are saturated
    int64_t (*water_lengths)(const WaterLengths&, int64_t first, int64_t last);  // of pixels [first, last) of all views; how many had no signal
};

const ImageTable& image_baseline();
const ImageTable& image_avx2();
const ImageTable& image_avx512();

}  // namespace physsim
