// Functions of one number; see reference/activations.py for each.
#include "map.cuh"

__device__ inline float logistic(float v) { return 0.5f * tanhf(0.5f * v) + 0.5f; }

extern "C" __global__ void absolute(const float* x, float* y, long long n) {
  map(n, y, [](float v) { return fabsf(v); }, x);
}

extern "C" __global__ void absolute_backward(const float* x, const float* dy, float* dx,
                                             long long n) {
  map(
      n, dx, [](float v, float d) { return v > 0.f   ? d
                                           : v < 0.f ? -d
                                                     : v * d; }, x,
      dy);
}

extern "C" __global__ void softplus(const float* x, float* y, long long n) {
  map(n, y, [](float v) { return fmaxf(v, 0.f) + log1pf(expf(-fabsf(v))); }, x);
}

extern "C" __global__ void softplus_backward(const float* y, const float* dy, float* dx,
                                             long long n) {
  map(n, dx, [](float v, float d) { return d * -expm1f(-v); }, y, dy);
}

extern "C" __global__ void clip(const float* x, float* y, long long n, float low,
                                float high) {
  map(n, y, [=](float v) { return v < low ? low : v > high ? high : v; }, x);
}

extern "C" __global__ void clip_backward(const float* x, const float* dy, float* dx,
                                         long long n, float low, float high) {
  map(
      n, dx, [=](float v, float d) { return v >= low && v <= high ? d : 0.f * d; }, x,
      dy);
}

extern "C" __global__ void elu(const float* x, float* y, long long n, float alpha) {
  map(n, y, [=](float v) { return v > 0.f ? v : alpha * expm1f(v); }, x);
}

extern "C" __global__ void elu_backward(const float* sign, const float* y,
                                        const float* dy, float* dx, long long n,
                                        float alpha) {
  map(
      n, dx, [=](float s, float v, float d) { return s > 0.f ? d : d * (v + alpha); },
      sign, y, dy);
}

extern "C" __global__ void exponential(const float* x, float* y, long long n,
                                       float scale, float factor) {
  map(n, y, [=](float v) { return factor * expf(scale * v); }, x);
}

extern "C" __global__ void exponential_backward(const float* y, const float* dy,
                                                float* dx, long long n, float scale) {
  map(n, dx, [=](float v, float d) { return scale * (d * v); }, y, dy);
}

extern "C" __global__ void logarithm(const float* x, float* y, long long n, float scale,
                                     float shift, float factor) {
  map(n, y, [=](float v) { return factor * logf(scale * v + shift); }, x);
}

extern "C" __global__ void logarithm_backward(const float* x, const float* dy,
                                              float* dx, long long n, float scale,
                                              float shift, float factor) {
  map(
      n, dx, [=](float v, float d) { return d * (factor / (scale * v + shift)); }, x,
      dy);
}

extern "C" __global__ void swish(const float* x, float* y, long long n, float beta) {
  map(n, y, [=](float v) { return v * logistic(beta * v); }, x);
}

extern "C" __global__ void swish_backward(const float* x, const float* dy, float* dx,
                                          long long n, float beta) {
  map(
      n, dx,
      [=](float v, float d) {
        const float gate = logistic(beta * v);
        return d * (gate * (1.f + beta * v * (1.f - gate)));
      },
      x, dy);
}

extern "C" __global__ void threshold(const float* x, float* y, long long n,
                                     float limit) {
  map(n, y, [=](float v) { return v > limit ? 1.f : 0.f; }, x);
}

// Arrays (outer, channels, inner), slope (channels).
extern "C" __global__ void prelu(const float* x, const float* slope, float* y,
                                 long long n, int channels, long long inner) {
  map_channels(
      n, channels, inner, y, [=](int c, float v) { return v > 0.f ? v : slope[c] * v; },
      x);
}

extern "C" __global__ void prelu_backward(const float* x, const float* slope,
                                          const float* dy, float* dx, long long n,
                                          int channels, long long inner) {
  map_channels(
      n, channels, inner, dx,
      [=](int c, float v, float d) { return v > 0.f ? d : slope[c] * d; }, x, dy);
}

extern "C" __global__ void relu6(const float* x, float* y, long long n, float slope) {
  map(
      n, y,
      [=](float v) {
        const float s = v > 0.f ? v : slope * v;
        return s > 6.f ? 6.f : s;
      },
      x);
}

extern "C" __global__ void relu6_backward(const float* x, const float* y,
                                          const float* dy, float* dx, long long n,
                                          float slope) {
  map(
      n, dx,
      [=](float v, float w, float d) {
        return d * ((v > 0.f ? 1.f : slope) * (w < 6.f ? 1.f : 0.f));
      },
      x, y, dy);
}

extern "C" __global__ void smooth_l1(const float* x, float* y, long long n, float bend,
                                     float half_square) {
  map(
      n, y,
      [=](float v) {
        const float size = fabsf(v);
        return size < bend ? v * v * half_square : size - bend / 2;
      },
      x);
}

extern "C" __global__ void smooth_l1_backward(const float* x, const float* dy,
                                              float* dx, long long n, float square) {
  map(
      n, dx,
      [=](float v, float d) {
        const float slope = v * square;
        return d * (slope < -1.f ? -1.f : slope > 1.f ? 1.f : slope);
      },
      x, dy);
}
