// Bilinear interpolation of planes; see reference/interpolation.py.  Places are
// computed by single products, not fused with a sum, as they are rounded down.
#include "map.cuh"

// What an output takes along one axis: the first and second input, and the latter's
// share.
struct Taps {
  int first, second;
  float share;
};

__device__ inline Taps taps_of(int i, float step, int size) {
  const float at = __fmul_rn(step, (float)i);
  Taps t;
  t.first = min((int)at, size - 1);
  t.second = min(t.first + 1, size - 1);
  t.share = at - (float)t.first;
  return t;
}

extern "C" __global__ void interpolate(const float* x, float* y, long long n,
                                       int height, int width, int start, int rows,
                                       int columns, int out_h, int out_w, float step_h,
                                       float step_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long line = quotient(i, out_w), plane = quotient(line, out_h);
    const Taps down = taps_of((int)(line - plane * out_h), step_h, rows);
    const Taps across = taps_of((int)(i - line * out_w), step_w, columns);
    const float* above = x + (plane * height + start + down.first) * width + start;
    const float* below = x + (plane * height + start + down.second) * width + start;
    const float rest = 1.f - down.share;
    const float left = above[across.first] * rest + below[across.first] * down.share;
    const float right = above[across.second] * rest + below[across.second] * down.share;
    y[i] = left * (1.f - across.share) + right * across.share;
  }
}

// The outputs that may take something of an input along one axis.
__device__ inline void reach(int input, float step, int outputs, int& low, int& high) {
  low = step > 0.f ? max(0, (int)((float)(input - 1) / step) - 1) : 0;
  high = step > 0.f ? min(outputs, (int)((float)(input + 1) / step) + 2) : outputs;
}

__device__ inline float weight(int output, int input, float step, int size) {
  const Taps t = taps_of(output, step, size);
  return (t.first == input ? 1.f - t.share : 0.f) + (t.second == input ? t.share : 0.f);
}

// A thread has a pixel, and asks the outputs what they took of it.
extern "C" __global__ void interpolate_backward(const float* dy, float* dx, long long n,
                                                int height, int width, int start,
                                                int rows, int columns, int out_h,
                                                int out_w, float step_h, float step_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long line = quotient(i, width), plane = quotient(line, height);
    const int h = (int)(line - plane * height) - start,
              w = (int)(i - line * width) - start;
    float sum = 0.f;
    if (h >= 0 && h < rows && w >= 0 && w < columns) {
      int top, bottom, left, right;
      reach(h, step_h, out_h, top, bottom);
      reach(w, step_w, out_w, left, right);
      for (int row = top; row < bottom; ++row) {
        const float own = weight(row, h, step_h, rows);
        if (own == 0.f) continue;
        float across = 0.f;
        for (int k = left; k < right; ++k)
          across +=
              dy[(plane * out_h + row) * out_w + k] * weight(k, w, step_w, columns);
        sum += across * own;
      }
    }
    dx[i] = sum;
  }
}
