// Sums over the places of each channel of arrays (outer, channels, inner): every block
// adds up one part of a channel's places in double precision, and a warp the parts.
// Which numbers meet depends on the shapes alone.
#pragma once

#include "map.cuh"
#include "reduce.cuh"

template <class F, class... V>
__device__ inline void each_of_four(F& f, V... v) {
  f(v.x...);
  f(v.y...);
  f(v.z...);
  f(v.w...);
}

// Where an array lies must not change the order of a sum: only the load differs.
__device__ inline float4 four_at(const float* x, long long quad, bool aligned) {
  if (aligned) return four(x, quad);
  x += 4 * quad;
  return make_float4(x[0], x[1], x[2], x[3]);
}

// Calls f(x...) for each of this block's places: a part of channel blockIdx.x.
template <class F, class... X>
__device__ inline void over_part(long long outer, int channels, long long inner, F f,
                                 const X*... x) {
  const long long c = blockIdx.x, part = blockIdx.y, parts = gridDim.y;
  const bool quads = inner % 4 == 0, aligned = takes_vectors(x...);
  const long long width = quads ? inner / 4 : inner, places = outer * width;
  const long long share = (places + parts - 1) / parts, start = part * share;
  const long long stop = start + share < places ? start + share : places;
  for (long long p = start + threadIdx.x; p < stop; p += blockDim.x) {
    const long long o = quotient(p, width), at = (o * channels + c) * width + p - o * width;
    if (quads)
      each_of_four(f, four_at(x, at, aligned)...);
    else
      f(x[at]...);
  }
}

// Keeps this block's sum, the number-th of those that a channel has.
__device__ inline void keep_part(double sum, double* partial, int number = 0) {
  sum = row_sum(sum);
  const long long c = blockIdx.x, channels = gridDim.x, parts = gridDim.y;
  if (threadIdx.x == 0) partial[(number * channels + c) * parts + blockIdx.y] = sum;
}

// The sum of all parts of a channel, for each lane of a warp.
__device__ inline double joined_parts(const double* partial, long long row, int parts) {
  double sum = 0;
  for (int i = threadIdx.x; i < parts; i += WARP) sum += partial[row * parts + i];
  return warp_join(sum, [](double a, double b) { return a + b; });
}

// The channel of this row of threads, in a block of 32 x rows.
__device__ inline int own_channel() { return blockIdx.x * blockDim.y + threadIdx.y; }
