// Scale and bias along middle axes; see reference/affine.py.
#include "sums.cuh"

extern "C" __global__ void scale_and_shift(const float* x, const float* scale,
                                           const float* bias, float* y, long long n,
                                           int channels, long long inner) {
  map_channels(
      n, channels, inner, y, [=](int c, float v) { return scale[c] * v + bias[c]; }, x);
}

extern "C" __global__ void scale_channels(const float* x, const float* scale, float* y,
                                          long long n, int channels, long long inner) {
  map_channels(n, channels, inner, y, [=](int c, float v) { return scale[c] * v; }, x);
}

extern "C" __global__ void shift_channels(const float* x, const float* bias, float* y,
                                          long long n, int channels, long long inner) {
  map_channels(n, channels, inner, y, [=](int c, float v) { return v + bias[c]; }, x);
}

extern "C" __global__ void product_sums(const float* x, const float* dy,
                                        double* partial, long long outer, int channels,
                                        long long inner) {
  double total = 0;
  over_part(
      outer, channels, inner, [&](float v, float d) { total += (double)(v * d); }, x,
      dy);
  keep_part(total, partial, channels);
}

// Of x * dy, and of dy.
extern "C" __global__ void both_sums(const float* x, const float* dy, double* partial,
                                     long long outer, int channels, long long inner) {
  double products = 0, slopes = 0;
  over_part(
      outer, channels, inner,
      [&](float v, float d) {
        products += (double)(v * d);
        slopes += d;
      },
      x, dy);
  keep_part(products, partial, channels, 0);
  keep_part(slopes, partial, channels, 1);
}

extern "C" __global__ void slope_sums(const float* dy, double* partial, long long outer,
                                      int channels, long long inner) {
  double total = 0;
  over_part(outer, channels, inner, [&](float d) { total += d; }, dy);
  keep_part(total, partial, channels);
}

// Of dy * x where x is not above 0: PReLU's.
extern "C" __global__ void prelu_sums(const float* x, const float* dy, double* partial,
                                      long long outer, int channels, long long inner) {
  double total = 0;
  over_part(
      outer, channels, inner,
      [&](float v, float d) { total += (double)(d * (v > 0.f ? 0.f : v)); }, x, dy);
  keep_part(total, partial, channels);
}

// gradient[c] += the number-th sum of channel c.
extern "C" __global__ void add_sums(const double* partial, float* gradient,
                                    int channels, int parts, int number) {
  const int c = own_channel();
  if (c >= channels) return;
  const double total = joined_parts(partial, (long long)number * channels + c, parts);
  if (threadIdx.x == 0) gradient[c] += (float)total;
}
