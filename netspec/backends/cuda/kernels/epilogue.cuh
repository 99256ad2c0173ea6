// What becomes of a convolution's sums before they are stored, as Epilogue of
// netspec/backends/base.py has it.
#pragma once

constexpr int BIASED = 1, SCALED = 2, RECTIFIED = 4, POOLED = 8;
// Neighbouring columns of one thread lie side by side in the result, and aligned.
constexpr int VECTORS = 16;

constexpr float LOWEST = -3.402823466e38f;  // where a maximum begins

// terms are a factor and a summand for each filter, which the bias is part of where
// there are any.
struct Epilogue {
  const float* bias;
  const float* terms;
  int filters, flags;

  __device__ __forceinline__ float operator()(float value, int filter) const {
    if (flags & SCALED) {
      value = value * __ldg(terms + filter) + __ldg(terms + filters + filter);
    } else if (flags & BIASED) {
      value += __ldg(bias + filter);
    }
    // NaN stays, so that a diverging net shows.
    return (flags & RECTIFIED) && value < 0.0f ? 0.0f : value;
  }
};

// The larger, the first where neither is: NaN never is.
__device__ __forceinline__ float larger(float best, float value) {
  return value > best ? value : best;
}
