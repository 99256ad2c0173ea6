// Sums over whole arrays and over rows; see
// reference/{elementwise,reduction,update}.py.
#include "sums.cuh"

extern "C" __global__ void sum(const float* x, double* partial, long long outer,
                               int channels, long long inner) {
  double total = 0;
  over_part(outer, channels, inner, [&](float v) { total += v; }, x);
  keep_part(total, partial, channels);
}

extern "C" __global__ void absolute_sum(const float* x, double* partial,
                                        long long outer, int channels,
                                        long long inner) {
  double total = 0;
  over_part(outer, channels, inner, [&](float v) { total += fabsf(v); }, x);
  keep_part(total, partial, channels);
}

extern "C" __global__ void square_sum(const float* x, double* partial, long long outer,
                                      int channels, long long inner) {
  double total = 0;
  over_part(outer, channels, inner, [&](float v) { total += (double)v * v; }, x);
  keep_part(total, partial, channels);
}

extern "C" __global__ void squared_distance(const float* a, const float* b,
                                            double* partial, long long outer,
                                            int channels, long long inner) {
  double total = 0;
  over_part(
      outer, channels, inner,
      [&](float v, float w) {
        const float difference = v - w;
        total += (double)(difference * difference);
      },
      a, b);
  keep_part(total, partial, channels);
}

// How many values are infinite or not a number.
extern "C" __global__ void not_finite(const float* x, double* partial, long long outer,
                                      int channels, long long inner) {
  double total = 0;
  over_part(outer, channels, inner, [&](float v) { total += v - v == 0.f ? 0 : 1; }, x);
  keep_part(total, partial, channels);
}

// y[c] = factor times the sum of channel c.
extern "C" __global__ void finish(const double* partial, float* y, int channels,
                                  int parts, double factor) {
  const int c = own_channel();
  if (c >= channels) return;
  const double total = joined_parts(partial, c, parts);
  if (threadIdx.x == 0) y[c] = (float)(factor * total);
}

// y = the total.
extern "C" __global__ void finish_double(const double* partial, double* y, int parts) {
  const double total = joined_parts(partial, 0, parts);
  if (threadIdx.x == 0) y[0] = total;
}

// loss = factor times the total, by the divisor, or where that is 0 by the number
// counted, at least 1.
extern "C" __global__ void finish_loss(const double* partial, float* loss, int parts,
                                       double factor, const float* counted,
                                       double divisor) {
  const double total = joined_parts(partial, 0, parts);
  const double by = divisor != 0 ? divisor : counted[0] > 1.f ? counted[0] : 1.;
  if (threadIdx.x == 0) loss[0] = (float)(factor * total / by);
}
