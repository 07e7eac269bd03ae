// Kernels for CPUs, in channels_last memory. bfloat16 is computed in float32, float32 and float64 in themselves.
//
// They know nothing of PyTorch: plain pointers and sizes come in, so that a compiler needs two seconds and not fifty, and a
// library outlives PyTorch's versions. op/native.py builds and calls them. Loops run over contiguous channels, and the compiler
// makes vectors of them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace {

struct bfloat16 {
    uint16_t bits;
};

template <typename T>
using real = std::conditional_t<std::is_same_v<T, double>, double, float>;  // what T is computed in

inline double get(double value) { return value; }
inline float get(float value) { return value; }

inline float get(bfloat16 value) {
    const uint32_t bits = uint32_t(value.bits) << 16;
    float result;
    std::memcpy(&result, &bits, 4);
    return result;
}

inline void put(double& place, double value) { place = value; }
inline void put(float& place, float value) { place = value; }

inline void put(bfloat16& place, float value) {  // to nearest, ties to even
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    place.bits = uint16_t((bits & 0x7fffffff) > 0x7f800000 ? 0x7fc0 : rounded);
}

// ---- upfirdn2d

// y[i, k] = sum over m of weights[m] * rows[m][i * step + k], for k < n
template <int M, typename R, typename X, typename Y>
inline void mix(const X* const* rows, const R* weights, int, Y* __restrict__ y, int64_t count, int64_t n, int64_t step,
                int64_t y_step) {
    for (int64_t i = 0; i < count; i++)
#pragma omp simd
        for (int64_t k = 0; k < n; k++) {
            R sum = 0;
            for (int m = 0; m < M; m++) sum += weights[m] * get(rows[m][i * step + k]);
            put(y[i * y_step + k], sum);
        }
}

template <typename R, typename X, typename Y>
inline void mix(const X* const* rows, const R* weights, int taps, Y* __restrict__ y, int64_t count, int64_t n, int64_t step,
                int64_t y_step) {
    switch (taps) {  // constants make vectors of the loop
        case 1: return mix<1>(rows, weights, taps, y, count, n, step, y_step);
        case 2: return mix<2>(rows, weights, taps, y, count, n, step, y_step);
        case 3: return mix<3>(rows, weights, taps, y, count, n, step, y_step);
        case 4: return mix<4>(rows, weights, taps, y, count, n, step, y_step);
    }
    for (int64_t i = 0; i < count; i++)
        for (int64_t k = 0; k < n; k++) {
            R sum = 0;
            for (int m = 0; m < taps; m++) sum += weights[m] * get(rows[m][i * step + k]);
            put(y[i * y_step + k], sum);
        }
}

inline int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }

// y[i] = sum over t of taps[t] * x[(i * down + t - before) / up], over the t for which that is a sample of x; along both axes
template <typename T>
void upfirdn2d(const T* x, T* y, const double* taps, int count, int64_t n, int64_t h, int64_t w, int64_t c, int64_t out_h,
               int64_t out_w, int64_t up, int64_t down, int64_t before, int threads) {
    using R = real<T>;
    // A line of the image, filtered along the columns, between columns of zeros that the taps may reach.
    const int64_t lead = (before + up - 1) / up;
    const int64_t reach = floor_div((out_w - 1) * down - before + count - 1, up) + 1;
    const int64_t width = lead + std::max(w, reach);
#pragma omp parallel num_threads(threads)
    {
        std::vector<R> line(width * c, 0), weights(count);
        std::vector<const T*> rows(count);
        std::vector<const R*> columns(count);
#pragma omp for schedule(static)
        for (int64_t row = 0; row < n * out_h; row++) {
            const T* image = x + row / out_h * h * w * c;
            const int64_t top = row % out_h * down - before;
            int used = 0;
            for (int t = 0; t < count; t++) {
                const int64_t place = top + t;
                if (place < 0 || place % up || place / up >= h) continue;
                rows[used] = image + place / up * w * c;
                weights[used++] = R(taps[t]);
            }
            mix(rows.data(), weights.data(), used, line.data() + lead * c, 1, w * c, 0, 0);
            T* out = y + row * out_w * c;
            for (int64_t phase = 0; phase < std::min(up, out_w); phase++) {  // every up-th output meets the same taps
                const int64_t first = ((before - phase * down) % up + up) % up;
                const R* start = line.data() + (lead + floor_div(phase * down - before + first, up)) * c;
                used = 0;
                for (int t = int(first); t < count; t += int(up)) {
                    columns[used] = start + used * c;
                    weights[used++] = R(taps[t]);
                }
                const int64_t outputs = (out_w - phase + up - 1) / up;
                if (up == 1 && down == 1)  // one long loop
                    mix(columns.data(), weights.data(), used, out, 1, outputs * c, 0, 0);
                else
                    mix(columns.data(), weights.data(), used, out + phase * c, outputs, c, down * c, up * c);
            }
        }
    }
}

}  // namespace

#define EXPORT(T, NAME)                                                                                                        \
    extern "C" void upfirdn2d_##NAME(const T* x, T* y, const double* taps, int count, int64_t n, int64_t h, int64_t w,         \
                                     int64_t c, int64_t out_h, int64_t out_w, int64_t up, int64_t down, int64_t before,        \
                                     int threads) {                                                                            \
        upfirdn2d(x, y, taps, count, n, h, w, c, out_h, out_w, up, down, before, threads);                                     \
    }

EXPORT(float, float32)
EXPORT(double, float64)
EXPORT(bfloat16, bfloat16)
