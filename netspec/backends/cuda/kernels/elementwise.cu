// Arithmetic between blobs and the commonest activations; see
// reference/elementwise.py for each.
#include "map.cuh"

extern "C" __global__ void relu(const float* x, float* y, long long n, float slope) {
  if (slope == 0.f)
    map(n, y, [](float v) { return v > 0.f || v != v ? v : 0.f; }, x);
  else
    map(n, y, [=](float v) { return v > 0.f ? v : slope * v; }, x);
}

extern "C" __global__ void relu_backward(const float* y, const float* dy, float* dx,
                                         long long n, float slope) {
  map(n, dx, [=](float v, float d) { return v > 0.f ? d : slope * d; }, y, dy);
}

extern "C" __global__ void sigmoid(const float* x, float* y, long long n) {
  map(n, y, [](float v) { return 0.5f * tanhf(0.5f * v) + 0.5f; }, x);
}

extern "C" __global__ void sigmoid_backward(const float* y, const float* dy, float* dx,
                                            long long n) {
  map(n, dx, [](float v, float d) { return d * (v * (1.f - v)); }, y, dy);
}

extern "C" __global__ void hyperbolic_tangent(const float* x, float* y, long long n) {
  map(n, y, [](float v) { return tanhf(v); }, x);
}

extern "C" __global__ void tanh_backward(const float* y, const float* dy, float* dx,
                                         long long n) {
  map(n, dx, [](float v, float d) { return d * (1.f - v * v); }, y, dy);
}

// base ^ exponent, quickly where it is a product.
__device__ inline float raised(float base, float exponent) {
  if (exponent == 1.f) return base;
  return exponent == 2.f ? base * base : powf(base, exponent);
}

extern "C" __global__ void power(const float* x, float* y, long long n, float exponent,
                                 float scale, float shift) {
  map(n, y, [=](float v) { return raised(shift + scale * v, exponent); }, x);
}

extern "C" __global__ void power_backward(const float* x, const float* dy, float* dx,
                                          long long n, float less, float scale,
                                          float shift, float factor) {
  map(
      n, dx,
      [=](float v, float d) { return d * (factor * raised(shift + scale * v, less)); },
      x, dy);
}

extern "C" __global__ void fill(float* y, long long n, float value) {
  map(n, y, [=]() { return value; });
}

extern "C" __global__ void copy(const float* x, float* y, long long n) {
  map(n, y, [](float v) { return v; }, x);
}

extern "C" __global__ void scale(const float* x, float* y, long long n, float factor) {
  map(n, y, [=](float v) { return factor * v; }, x);
}

extern "C" __global__ void add(const float* a, const float* b, float* y, long long n) {
  map(n, y, [](float v, float w) { return v + w; }, a, b);
}

__device__ inline float gated(float v, int relu) { return relu && v < 0.f ? 0.f : v; }

extern "C" __global__ void sum_two(const float* a, const float* b, float* y,
                                   long long n, float p, float q, int relu) {
  map(n, y, [=](float v, float w) { return gated(p * v + q * w, relu); }, a, b);
}

// y += q x
extern "C" __global__ void sum_more(const float* x, float* y, long long n, float q,
                                    int relu) {
  map(n, y, [=](float v, float w) { return gated(w + q * v, relu); }, x, y);
}

extern "C" __global__ void multiply(const float* a, const float* b, float* y,
                                    long long n) {
  map(n, y, [](float v, float w) { return v * w; }, a, b);
}

extern "C" __global__ void quotient_backward(const float* x, const float* y,
                                             const float* dy, float* dx, long long n) {
  map(n, dx, [](float v, float w, float d) { return w / v * d; }, x, y, dy);
}

extern "C" __global__ void max_two(const float* a, const float* b, float* y, int* mask,
                                   long long n) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const float v = a[i], w = b[i];
    mask[i] = !(v > w);
    y[i] = v > w ? v : w;
  }
}

// y = the larger of x and y, the mask of x being number
extern "C" __global__ void max_more(const float* x, float* y, int* mask, long long n,
                                    int number) {
  for (long long i = first_index(); i < n; i += index_step())
    if (x[i] > y[i]) {
      y[i] = x[i];
      mask[i] = number;
    }
}

extern "C" __global__ void max_backward(const int* mask, const float* dy, float* dx,
                                        long long n, int number) {
  for (long long i = first_index(); i < n; i += index_step())
    dx[i] = mask[i] == number ? dy[i] : 0.f * dy[i];
}

extern "C" __global__ void squared_distance_backward(const float* a, const float* b,
                                                     const float* dy, float* da,
                                                     long long n, float factor) {
  const float share = factor * dy[0];
  map(n, da, [=](float v, float w) { return share * (v - w); }, a, b);
}
