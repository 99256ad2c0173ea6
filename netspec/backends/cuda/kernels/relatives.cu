// Normalize of Caffe's forks; see reference/relatives.py.  Images are (N, C, S); norms
// are (N, S), or (N, 1) over all of an image.
#include "sums.cuh"

// norm = sqrt(sum of squares over the channels + eps); a thread a place.
extern "C" __global__ void place_norms(const float* x, float* norm, long long places,
                                       int channels, long long inner, float eps) {
  for (long long p = first_index(); p < places; p += index_step()) {
    const long long image = quotient(p, inner);
    const float* own = x + image * channels * inner + p - image * inner;
    double squares = 0;
    for (int c = 0; c < channels; ++c) {
      const float v = own[c * inner];
      squares += (double)(v * v);
    }
    norm[p] = (float)sqrt(squares + eps);
  }
}

extern "C" __global__ void image_norms(const double* partial, float* norm, int images,
                                       int parts, double eps) {
  const int image = own_channel();
  if (image >= images) return;
  const double squares = joined_parts(partial, image, parts);
  if (threadIdx.x == 0) norm[image] = (float)sqrt(squares + eps);
}

// along = sum of z * slope over the channels; a thread a place.
extern "C" __global__ void place_products(const float* z, const float* slope,
                                          float* along, long long places, int channels,
                                          long long inner) {
  for (long long p = first_index(); p < places; p += index_step()) {
    const long long image = quotient(p, inner);
    const long long at = image * channels * inner + p - image * inner;
    double sum = 0;
    for (int c = 0; c < channels; ++c)
      sum += (double)(z[at + c * inner] * slope[at + c * inner]);
    along[p] = (float)sum;
  }
}

// The norm that element i of (N, C, S) belongs to.
__device__ inline long long norm_of(long long i, int channels, long long inner,
                                    int whole) {
  const long long plane = quotient(i, inner), image = quotient(plane, channels);
  return whole ? image : image * inner + i - plane * inner;
}

extern "C" __global__ void by_norm(const float* x, const float* norm, float* z,
                                   long long n, int channels, long long inner,
                                   int whole) {
  for (long long i = first_index(); i < n; i += index_step())
    z[i] = x[i] / norm[norm_of(i, channels, inner, whole)];
}

extern "C" __global__ void tilt(const float* z, const float* slope, const float* along,
                                const float* norm, float* dx, long long n, int channels,
                                long long inner, int whole) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long at = norm_of(i, channels, inner, whole);
    dx[i] = (slope[i] - z[i] * along[at]) / norm[at];
  }
}
