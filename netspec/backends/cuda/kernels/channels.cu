// What is done channel by channel, and sums that were made in parts.
#include "epilogue.cuh"
#include "reduce.cuh"

constexpr int WARPS = 8;
constexpr int RUN = 2048;  // positions that a warp sums at a time

// parts[p][k] = the p-th part of the sum of channel k of dy (N, K, positions).
// Warps take runs of positions in turn. Grid: channels, parts.
extern "C" __global__ void __launch_bounds__(256)
    channel_sums(const float* __restrict__ dy, float* __restrict__ parts, int images,
                 int positions) {
  int warp = static_cast<int>(threadIdx.x / WARP);
  int lane = static_cast<int>(threadIdx.x % WARP);
  int channels = static_cast<int>(gridDim.x), channel = static_cast<int>(blockIdx.x);
  int runs = (positions + RUN - 1) / RUN, step = static_cast<int>(gridDim.y) * WARPS;
  float total = 0.0f;
  for (int i = static_cast<int>(blockIdx.y) * WARPS + warp; i < images * runs;
       i += step) {
    int start = i % runs * RUN, end = min(start + RUN, positions);
    long long plane = static_cast<long long>(i / runs) * channels + channel;
    const float* values = dy + plane * positions;
    for (int p = start + lane; p < end; p += static_cast<int>(WARP)) total += values[p];
  }
  total = row_sum(total);
  if (threadIdx.x == 0) parts[blockIdx.y * channels + channel] = total;
}

// The same for channels of one position: add each column of dy (rows, columns) to db.
extern "C" __global__ void column_sums(const float* __restrict__ dy,
                                       float* __restrict__ db, int rows, int columns) {
  int column = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (column >= columns) return;
  float total = 0.0f;
  for (int row = 0; row < rows; ++row)
    total += dy[static_cast<long long>(row) * columns + column];
  db[column] += total;
}

// What becomes of y (N, filters, positions) after its sums are made.
extern "C" __global__ void finish_channels(const float* __restrict__ bias,
                                           const float* __restrict__ terms,
                                           float* __restrict__ y, long long elements,
                                           int filters, int positions, int flags) {
  Epilogue finish{bias, terms, filters, flags};
  long long step = static_cast<long long>(gridDim.x) * blockDim.x;
  long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x;
  for (; i < elements; i += step)
    y[i] = finish(y[i], static_cast<int>(i / positions % filters));
}

// Of one number, in the order of its parts.
__device__ __forceinline__ float sum_of_parts(const float* parts, int number,
                                              int numbers, int count) {
  float sum = parts[number];
  for (int part = 1; part < count; ++part)
    sum += parts[static_cast<long long>(part) * numbers + number];
  return sum;
}

// Add to each number the sum of its parts.
extern "C" __global__ void add_parts(const float* __restrict__ parts,
                                     float* __restrict__ total, int numbers,
                                     int count) {
  int step = static_cast<int>(gridDim.x * blockDim.x);
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < numbers;
       i += step)
    total[i] += sum_of_parts(parts, i, numbers, count);
}

// The same, in place of what there was.
extern "C" __global__ void sum_parts(const float* __restrict__ parts,
                                     float* __restrict__ total, int numbers,
                                     int count) {
  int step = static_cast<int>(gridDim.x * blockDim.x);
  for (int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x); i < numbers;
       i += step)
    total[i] = sum_of_parts(parts, i, numbers, count);
}
