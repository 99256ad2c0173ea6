// Batch normalisation of x (N, C, inner); see reference/batch_norm.py.
#include "sums.cuh"

// Sums of x and of x * x, exact products in double precision: one pass over x.
extern "C" __global__ void moments(const float* x, double* partial, long long outer,
                                   int channels, long long inner) {
  double values = 0, squares = 0;
  over_part(
      outer, channels, inner,
      [&](float v) {
        values += v;
        squares += (double)v * v;
      },
      x);
  keep_part(values, partial, channels, 0);
  keep_part(squares, partial, channels, 1);
}

extern "C" __global__ void statistics(const double* partial, float* mean,
                                      float* variance, int channels, int parts,
                                      double places) {
  const int c = own_channel();
  if (c >= channels) return;
  const double middle = joined_parts(partial, c, parts) / places;
  const double square = joined_parts(partial, (long long)channels + c, parts) / places;
  const double spread = square - middle * middle;
  if (threadIdx.x == 0) {
    mean[c] = (float)middle;
    variance[c] = spread > 0 || spread != spread ? (float)spread : 0.f;
  }
}

// Fades Caffe's three blobs and adds a batch's statistics to them.
extern "C" __global__ void accumulate(const float* mean, const float* variance,
                                      float* means, float* variances, float* factor,
                                      int channels, float fraction, float unbiased) {
  const int c = (int)first_index();
  if (c == 0) factor[0] = factor[0] * fraction + 1.f;
  if (c >= channels) return;
  means[c] = means[c] * fraction + mean[c];
  variances[c] = variances[c] * fraction + variance[c] * unbiased;
}

extern "C" __global__ void stored(const float* means, const float* variances,
                                  const float* factor, float* mean, float* variance,
                                  int channels) {
  const int c = (int)first_index();
  if (c >= channels) return;
  const float share = factor[0] == 0.f ? 0.f : 1.f / factor[0];
  mean[c] = means[c] * share;
  variance[c] = variances[c] * share;
}

extern "C" __global__ void normalise(const float* x, const float* mean,
                                     const float* variance, float* y, long long n,
                                     int channels, long long inner, float eps) {
  map_channels(
      n, channels, inner, y,
      [=](int c, float v) { return (v - mean[c]) / sqrtf(variance[c] + eps); }, x);
}

// Sums of dy, and of dy * z; z is x already where x is normalised.
extern "C" __global__ void slopes(const float* x, const float* mean,
                                  const float* variance, const float* dy,
                                  double* partial, long long outer, int channels,
                                  long long inner, float eps, int normalised) {
  const int c = min(summed_channel(), channels - 1);
  const float middle = normalised ? 0.f : mean[c];
  const float deviation = normalised ? 1.f : sqrtf(variance[c] + eps);
  double plain = 0, along = 0;
  over_part(
      outer, channels, inner,
      [&](float v, float d) {
        plain += d;
        along += (double)(d * ((v - middle) / deviation));
      },
      x, dy);
  keep_part(plain, partial, channels, 0);
  keep_part(along, partial, channels, 1);
}

// means[number * channels + c] = a sum by the places of a channel.
extern "C" __global__ void mean_slopes(const double* partial, float* means, int rows,
                                       int parts, double places) {
  const int row = own_channel();
  if (row >= rows) return;
  const double total = joined_parts(partial, row, parts);
  if (threadIdx.x == 0) means[row] = (float)(total / places);
}

extern "C" __global__ void backward(const float* x, const float* mean,
                                    const float* variance, const float* means,
                                    const float* dy, float* dx, long long n,
                                    int channels, long long inner, float eps,
                                    int normalised) {
  map_channels(
      n, channels, inner, dx,
      [=](int c, float v, float d) {
        const float deviation = sqrtf(variance[c] + eps);
        const float z = normalised ? v : (v - mean[c]) / deviation;
        return (d - means[c] - z * means[channels + c]) / deviation;
      },
      x, dy);
}

extern "C" __global__ void backward_stored(const float* variance, const float* dy,
                                           float* dx, long long n, int channels,
                                           long long inner, float eps) {
  map_channels(
      n, channels, inner, dx,
      [=](int c, float d) { return d / sqrtf(variance[c] + eps); }, dy);
}
