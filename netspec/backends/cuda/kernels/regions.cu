// Pooling of regions (image, left, top, right, bottom); see reference/regions.py.
// Places are products and sums that are not fused, since they round to whole pixels.
#include "map.cuh"

struct Bin {
  int top, bottom, left, right;
};

__device__ inline float nearest(float v) {
  return copysignf(floorf(__fadd_rn(fabsf(v), 0.5f)), v);
}

__device__ inline int cut(float place, int size) {
  return (int)fminf(fmaxf(place, 0.f), (float)size);
}

// Pixels of bin i of a region that is rounded to pixels of the map.
__device__ inline void whole_bin(float start, float stop, int i, int bins, int size,
                                 float scale, int& low, int& high) {
  const float first = nearest(__fmul_rn(start, scale));
  const float last = nearest(__fmul_rn(stop, scale));
  const float each = fmaxf(last - first + 1.f, 1.f) / (float)bins;
  low = cut(floorf(__fmul_rn((float)i, each)) + first, size);
  high = cut(ceilf(__fmul_rn((float)(i + 1), each)) + first, size);
}

// The same for a region that is rounded to pixels before it is scaled.
__device__ inline void part_bin(float start, float stop, int i, int bins, int size,
                                float scale, int& low, int& high) {
  const float first = __fmul_rn(nearest(start), scale);
  const float last = __fmul_rn(nearest(stop) + 1.f, scale);
  const float each = fmaxf(__fadd_rn(last, -first), 0.1f) / (float)bins;
  low = cut(floorf(__fadd_rn(__fmul_rn((float)i, each), first)), size);
  high = cut(ceilf(__fadd_rn(__fmul_rn((float)(i + 1), each), first)), size);
}

extern "C" __global__ void region_max(const float* x, const float* regions, float* y,
                                      int* index, long long n, int channels, int height,
                                      int width, int high, int wide, float scale) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long line = quotient(i, wide), plane = quotient(line, high);
    const long long r = quotient(plane, channels), c = plane - r * channels;
    const float* own = regions + 5 * r;
    Bin b;
    whole_bin(own[2], own[4], (int)(line - plane * high), high, height, scale, b.top,
              b.bottom);
    whole_bin(own[1], own[3], (int)(i - line * wide), wide, width, scale, b.left,
              b.right);
    const float* image = x + ((long long)own[0] * channels + c) * height * width;
    float most = 0.f;
    int best = -1;
    for (int row = b.top; row < b.bottom; ++row)
      for (int k = b.left; k < b.right; ++k) {
        const float v = image[(long long)row * width + k];
        if (best < 0 || v > most || (v != v && most == most)) {
          most = v;
          best = row * width + k;
        }
      }
    y[i] = most;
    index[i] = best;
  }
}

// A thread has a pixel, and asks every bin of its image's regions, in order.
extern "C" __global__ void region_max_backward(const float* dy, const float* regions,
                                               const int* index, float* dx, long long n,
                                               long long count, int channels,
                                               long long pixels, int bins) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long plane = quotient(i, pixels), image = quotient(plane, channels);
    const int own = (int)(i - plane * pixels);
    const long long channel = plane - image * channels;
    float sum = 0.f;
    for (long long r = 0; r < count; ++r) {
      if ((long long)regions[5 * r] != image) continue;
      const long long base = (r * channels + channel) * bins;
      for (int b = 0; b < bins; ++b)
        if (index[base + b] == own) sum += dy[base + b];
    }
    dx[i] = sum;
  }
}

extern "C" __global__ void region_mean(const float* x, const float* regions, float* y,
                                       long long n, int channels, int height, int width,
                                       int outputs, int bins, float scale) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long line = quotient(i, bins), plane = quotient(line, bins);
    const long long r = quotient(plane, outputs);
    const int row = (int)(line - plane * bins), column = (int)(i - line * bins);
    const long long c = ((plane - r * outputs) * bins + row) * bins + column;
    const float* own = regions + 5 * r;
    Bin b;
    part_bin(own[2], own[4], row, bins, height, scale, b.top, b.bottom);
    part_bin(own[1], own[3], column, bins, width, scale, b.left, b.right);
    const float* image = x + ((long long)own[0] * channels + c) * height * width;
    double sum = 0;
    for (int h = b.top; h < b.bottom; ++h)
      for (int k = b.left; k < b.right; ++k) sum += image[(long long)h * width + k];
    const int area = (b.bottom - b.top) * (b.right - b.left);
    y[i] = b.bottom > b.top && b.right > b.left ? (float)(sum / area) : 0.f;
  }
}

extern "C" __global__ void region_mean_backward(const float* dy, const float* regions,
                                                float* dx, long long n, long long count,
                                                int channels, int height, int width,
                                                int outputs, int bins, float scale) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long line = quotient(i, width), plane = quotient(line, height);
    const long long image = quotient(plane, channels), c = plane - image * channels;
    const int h = (int)(line - plane * height), w = (int)(i - line * width);
    const int column = (int)(c % bins), row = (int)(c / bins % bins);
    const long long k = c / bins / bins;
    float sum = 0.f;
    for (long long r = 0; k < outputs && r < count; ++r) {
      const float* own = regions + 5 * r;
      if ((long long)own[0] != image) continue;
      Bin b;
      part_bin(own[2], own[4], row, bins, height, scale, b.top, b.bottom);
      part_bin(own[1], own[3], column, bins, width, scale, b.left, b.right);
      if (h < b.top || h >= b.bottom || w < b.left || w >= b.right) continue;
      const float area = (float)((b.bottom - b.top) * (b.right - b.left));
      sum += dy[((r * outputs + k) * bins + row) * bins + column] / area;
    }
    dx[i] = sum;
  }
}
