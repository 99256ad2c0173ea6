// A product of matrices, tile by tile: how a slab of two operands lies in shared memory,
// and the plain float32 sums over it.
//
// A block computes ROWS x COLUMNS sums. The reduction is cut into slabs of WORDS rows
// of 32-bit words. Both operands lie reduction-major: word r of column c is at [r][c].
#pragma once

#include "async.cuh"

constexpr int WORDS = 16;  // rows of a slab
constexpr int PART = 8;    // rows that are fetched, and summed, at a time
// Four words after each row: then rows 0, 2, 4, 6 begin eight banks apart, and so do
// 1, 3, 5, 7. Stores along a column and loads of fragments meet no bank twice.
constexpr int SPARE = 4;

template <int ROWS, int COLUMNS>
struct alignas(16) Slab {
  float left[WORDS][ROWS + SPARE];
  float right[WORDS][COLUMNS + SPARE];
};

// Whose left operand was packed as the fragments of TensorSums, one after another.
template <int ROWS, int COLUMNS>
struct alignas(16) FragmentSlab {
  float left[WORDS * ROWS];
  float right[WORDS][COLUMNS + SPARE];
};

// Plain sums: 8 x 8 of them a thread, in four quarters that are half a tile apart.
template <int ROWS_, int COLUMNS_>
struct PlainSums {
  static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_;
  static constexpr int THREADS = ROWS * COLUMNS / 64;
  static constexpr int WIDTH = 4;     // neighbouring columns of one thread
  static constexpr int EACH = 1;      // numbers of the reduction in a word
  static constexpr bool LANES_SHARE = false;  // whether two lanes have a pool's window
  static constexpr bool FRAGMENTS = false;    // whether packed operands are fragments

  using Tile = Slab<ROWS, COLUMNS>;

  float sums[8][8];
  int row, column;

  __device__ __forceinline__ PlainSums() : sums{} {
    row = static_cast<int>(threadIdx.x) / (COLUMNS / 8) * 4;
    column = static_cast<int>(threadIdx.x) % (COLUMNS / 8) * 4;
  }

  static __device__ __forceinline__ float word(float x, float) { return x; }

  // Rows of the slab from *first* on.
  __device__ __forceinline__ void add(const Tile& slab, int first) {
#pragma unroll
    for (int r = first; r < first + PART; ++r) {
      float a[8], b[8];
      load(&slab.left[r][row], ROWS / 2, a);
      load(&slab.right[r][column], COLUMNS / 2, b);
#pragma unroll
      for (int i = 0; i < 8; ++i)
#pragma unroll
        for (int j = 0; j < 8; ++j) sums[i][j] += a[i] * b[j];
    }
  }

  // Store all sums, WIDTH neighbouring columns at a time.
  template <class To>
  __device__ __forceinline__ void store(const To& to) const {
    auto near = to.begin(column), far = to.begin(column + COLUMNS / 2);
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      int at = row + i % 4 + i / 4 * (ROWS / 2);
      to.store(near, at, &sums[i][0]);
      to.store(far, at, &sums[i][WIDTH]);
    }
  }

  static __device__ __forceinline__ void load(const float* from, int step, float* to) {
    float4 low = *reinterpret_cast<const float4*>(from);
    float4 high = *reinterpret_cast<const float4*>(from + step);
    to[0] = low.x, to[1] = low.y, to[2] = low.z, to[3] = low.w;
    to[4] = high.x, to[5] = high.y, to[6] = high.z, to[7] = high.w;
  }
};

// Sum slabs, each while the next is fetched. operands.fetch(number, first, slab) begins
// to fill a part of a slab, and operands.settle(first, slab) does what is left of it.
template <class Sums, class Operands>
__device__ __forceinline__ void sum_slabs(Sums& sums, Operands& operands, int count) {
  __shared__ typename Sums::Tile slabs[2];
  for (int number = -1; number < count; ++number) {
    const auto& slab = slabs[number & 1];
    auto& next = slabs[(number + 1) & 1];
    bool more = number + 1 < count;
    wait_for_copies();
    __syncthreads();
#pragma unroll
    for (int first = 0; first < WORDS; first += PART) {
      if (more) operands.fetch(number + 1, first, next);
      if (number >= 0) sums.add(slab, first);
      if (more) operands.settle(first, next);
    }
  }
}

// Store the neighbouring sums of one thread at an aligned place.
__device__ __forceinline__ void store_run(float* to, const float (&values)[4]) {
  *reinterpret_cast<float4*>(to) =
      make_float4(values[0], values[1], values[2], values[3]);
}

__device__ __forceinline__ void store_run(float* to, const float (&values)[2]) {
  *reinterpret_cast<float2*>(to) = make_float2(values[0], values[1]);
}
