// Sums over a slab on tensor cores: four warps, two by two, each a quarter of the tile.
#pragma once

#include "mma.cuh"
#include "tiles.cuh"

// What the multipliers are fed: how a word is made of float32 numbers, how many it
// holds, and the instruction.
struct Tf32 {
  static constexpr int EACH = 1;

  static __device__ __forceinline__ float word(float x, float) { return tf32_of(x); }
  static __device__ __forceinline__ float left(float x) { return tf32_of(x); }
  static __device__ __forceinline__ float right(float x) { return tf32_of(x); }
  static __device__ __forceinline__ void multiply(MmaSums& sums, const float* a,
                                                  const float* b) {
    mma_tf32(sums, a, b);
  }
};

// Whose left operand was rounded when it was packed.
struct Tf32Packed : Tf32 {
  static __device__ __forceinline__ float left(float x) { return x; }
};

// Whose words are made of halves before they come to the slab.
struct Half {
  static constexpr int EACH = 2;

  static __device__ __forceinline__ float word(float low, float high) {
    return halves_of(low, high);
  }
  static __device__ __forceinline__ float left(float x) { return x; }
  static __device__ __forceinline__ float right(float x) { return x; }
  static __device__ __forceinline__ void multiply(MmaSums& sums, const float* a,
                                                  const float* b) {
    mma_half(sums, a, b);
  }
};

template <class Kind, int ROWS_, int COLUMNS_>
struct TensorSums {
  static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_;
  static constexpr int THREADS = 128;
  static constexpr int WIDTH = 2;
  static constexpr int EACH = Kind::EACH;
  static constexpr bool LANES_SHARE = true;
  static constexpr int DOWN = ROWS / 2 / 16, ACROSS = COLUMNS / 2 / 8;

  MmaSums sums[DOWN][ACROSS];
  int row, column, group, place;

  __device__ __forceinline__ TensorSums() : sums{} {
    int warp = static_cast<int>(threadIdx.x) / 32;
    row = warp / 2 * (ROWS / 2);
    column = warp % 2 * (COLUMNS / 2);
    group = static_cast<int>(threadIdx.x) % 32 / 4;
    place = static_cast<int>(threadIdx.x) % 4;
  }

  static __device__ __forceinline__ float word(float low, float high) {
    return Kind::word(low, high);
  }

  // The instruction's k-th word is row 2 k of eight where k < 4, else row 2 (k - 4) + 1:
  // any order will do, if both operands have it, and this one meets no bank twice.
  __device__ __forceinline__ void add(const Slab<ROWS, COLUMNS>& slab, int first) {
    const float(*left)[ROWS + SPARE] = slab.left + first + 2 * place;
    const float(*right)[COLUMNS + SPARE] = slab.right + first + 2 * place;
    float a[DOWN][4];
#pragma unroll
    for (int i = 0; i < DOWN; ++i)
#pragma unroll
      for (int n = 0; n < 4; ++n)
        a[i][n] = Kind::left(left[n / 2][row + i * 16 + group + n % 2 * 8]);
#pragma unroll
    for (int j = 0; j < ACROSS; ++j) {
      float b[2];
#pragma unroll
      for (int n = 0; n < 2; ++n)
        b[n] = Kind::right(right[n][column + j * 8 + group]);
#pragma unroll
      for (int i = 0; i < DOWN; ++i) Kind::multiply(sums[i][j], a[i], b);
    }
  }

  template <class To>
  __device__ __forceinline__ void store(const To& to) const {
#pragma unroll
    for (int j = 0; j < ACROSS; ++j) {
      auto run = to.begin(column + j * 8 + 2 * place);
#pragma unroll
      for (int i = 0; i < DOWN; ++i)
#pragma unroll
        for (int n = 0; n < 2; ++n)
          to.store(run, row + i * 16 + group + n * 8, &sums[i][j].value[2 * n]);
    }
  }
};
