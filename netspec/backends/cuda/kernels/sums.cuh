// Sums over the places of each channel of arrays (outer, channels, inner): every block
// adds up one part of a channel's places in double precision, and a warp the parts.
// Which numbers meet depends on the shapes alone.
//
// A block of one row of threads has a channel, whose places lie side by side.  A block
// of COLUMNS x ROWS has that many channels, a column of threads each: for arrays in
// which the channels lie side by side.
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

const unsigned COLUMNS = 32, ROWS = 8;

__device__ inline bool in_columns() { return blockDim.y > 1; }

// The channel that this thread adds up; in columns it may be one that there is not.
__device__ inline int summed_channel() {
  return in_columns() ? blockIdx.x * COLUMNS + threadIdx.x : blockIdx.x;
}

// f(x...) for each of this thread's places.
template <class F, class... X>
__device__ inline void over_part(long long outer, int channels, long long inner, F f,
                                 const X*... x) {
  const long long c = summed_channel(), part = blockIdx.y, parts = gridDim.y;
  const bool quads = inner % 4 == 0, aligned = takes_vectors(x...);
  const long long width = quads ? inner / 4 : inner, places = outer * width;
  const long long share = (places + parts - 1) / parts, start = part * share;
  const long long stop = start + share < places ? start + share : places;
  const unsigned first = in_columns() ? threadIdx.y : threadIdx.x;
  const unsigned step = in_columns() ? ROWS : blockDim.x;
  if (c >= channels) return;
  for (long long p = start + first; p < stop; p += step) {
    const long long o = quotient(p, width);
    const long long at = (o * channels + c) * width + p - o * width;
    if (quads)
      each_of_four(f, four_at(x, at, aligned)...);
    else
      f(x[at]...);
  }
}

// The sum of a column of threads, for its first.
__device__ inline double column_sum(double sum) {
  __shared__ double tile[ROWS][COLUMNS];
  __syncthreads();  // the sums before may still be read
  tile[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  for (unsigned row = 1; threadIdx.y == 0 && row < ROWS; ++row)
    sum += tile[row][threadIdx.x];
  return sum;
}

// Keeps the sum of this part, the number-th of those that a channel has.
__device__ inline void keep_part(double sum, double* partial, int channels,
                                 int number = 0) {
  const long long c = summed_channel();
  sum = in_columns() ? column_sum(sum) : row_sum(sum);
  const bool first = in_columns() ? threadIdx.y == 0 && c < channels : threadIdx.x == 0;
  if (first) partial[(number * (long long)channels + c) * gridDim.y + blockIdx.y] = sum;
}

// The sum of all parts of a channel, for each lane of a warp.
__device__ inline double joined_parts(const double* partial, long long row, int parts) {
  double sum = 0;
  for (int i = threadIdx.x; i < parts; i += WARP) sum += partial[row * parts + i];
  return warp_join(sum, [](double a, double b) { return a + b; });
}

// The channel of this row of threads, in a block of 32 x rows.
__device__ inline int own_channel() { return blockIdx.x * blockDim.y + threadIdx.y; }
