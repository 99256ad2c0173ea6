// Sums over a slab on tensor cores: four warps, each a quarter of the tile.
#pragma once

#include "mma.cuh"
#include "tiles.cuh"

// What the multipliers are fed: how a word is made of float32 numbers, how many it
// holds, and the instruction.
struct Tf32 {
  static constexpr int EACH = 1;
  static constexpr bool FRAGMENTS = false;

  template <int ROWS, int COLUMNS>
  using Tile = Slab<ROWS, COLUMNS>;

  static __device__ __forceinline__ float word(float x, float) { return tf32_of(x); }
  static __device__ __forceinline__ float fed(float x) { return tf32_of(x); }
  static __device__ __forceinline__ void multiply(MmaSums& sums, const float* a,
                                                  const float* b) {
    mma_tf32(sums, a, b);
  }
};

// Whose left operand was rounded, and put in the order of fragments, by pack().
template <class Kind>
struct Packed : Kind {
  static constexpr bool FRAGMENTS = true;

  template <int ROWS, int COLUMNS>
  using Tile = FragmentSlab<ROWS, COLUMNS>;
};

// Whose words are made of halves before they come to the slab.
struct Half {
  static constexpr int EACH = 2;
  static constexpr bool FRAGMENTS = false;

  template <int ROWS, int COLUMNS>
  using Tile = Slab<ROWS, COLUMNS>;

  static __device__ __forceinline__ float word(float low, float high) {
    return halves_of(low, high);
  }
  static __device__ __forceinline__ float fed(float x) { return x; }
  static __device__ __forceinline__ void multiply(MmaSums& sums, const float* a,
                                                  const float* b) {
    mma_half(sums, a, b);
  }
};

// A fragment of 16 rows and PART words of the left operand: 32 lanes with four words
// each, of which the n-th is at [word_of(lane, n)][row_of(lane, n)].
//
// The instruction's k-th word is row 2 k of eight where k < 4, else row 2 (k - 4) + 1:
// any order will do, if both operands have it, and this one meets no bank twice.
struct Fragment {
  static constexpr int ROWS = 16;

  static __device__ __forceinline__ int word_of(int lane, int n) {
    return 2 * (lane % 4) + n / 2;
  }
  static __device__ __forceinline__ int row_of(int lane, int n) {
    return lane / 4 + n % 2 * 8;
  }
};

template <class Kind, int ROWS_, int COLUMNS_>
struct TensorSums {
  static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_;
  static constexpr int THREADS = 128;
  static constexpr int WIDTH = 2;
  static constexpr int EACH = Kind::EACH;
  static constexpr bool LANES_SHARE = true;
  static constexpr bool FRAGMENTS = Kind::FRAGMENTS;
  // Of a warp 64 rows: the more, the fewer loads of the right operand, which has to be
  // rounded each time.
  static constexpr int HIGH = 64, WIDE = COLUMNS / (THREADS / 32 / (ROWS / HIGH));
  static constexpr int DOWN = HIGH / Fragment::ROWS, ACROSS = WIDE / 8;

  using Tile = typename Kind::template Tile<ROWS, COLUMNS>;

  MmaSums sums[DOWN][ACROSS];
  int row, column, group, place;

  __device__ __forceinline__ TensorSums() : sums{} {
    int warp = static_cast<int>(threadIdx.x) / 32;
    row = warp % (ROWS / HIGH) * HIGH;
    column = warp / (ROWS / HIGH) * WIDE;
    group = static_cast<int>(threadIdx.x) % 32 / 4;
    place = static_cast<int>(threadIdx.x) % 4;
  }

  static __device__ __forceinline__ float word(float low, float high) {
    return Kind::word(low, high);
  }

  __device__ __forceinline__ void add(const Tile& slab, int first) {
    const float(*right)[COLUMNS + SPARE] = slab.right + first + 2 * place;
    float a[DOWN][4];
    load(slab.left, first, a);
#pragma unroll
    for (int j = 0; j < ACROSS; ++j) {
      float b[2];
#pragma unroll
      for (int n = 0; n < 2; ++n)
        b[n] = Kind::fed(right[n][column + j * 8 + group]);
#pragma unroll
      for (int i = 0; i < DOWN; ++i) Kind::multiply(sums[i][j], a[i], b);
    }
  }

  __device__ __forceinline__ void load(const float (*left)[ROWS + SPARE], int first,
                                       float (*a)[4]) const {
#pragma unroll
    for (int i = 0; i < DOWN; ++i)
#pragma unroll
      for (int n = 0; n < 4; ++n)
        a[i][n] = Kind::fed(left[first + 2 * place + n / 2]
                                [row + i * Fragment::ROWS + group + n % 2 * 8]);
  }

  // Of fragments: those of the same rows stand one after another.
  __device__ __forceinline__ void load(const float* left, int first,
                                       float (*a)[4]) const {
    left += row * WORDS + first * Fragment::ROWS + (group * 4 + place) * 4;
#pragma unroll
    for (int i = 0; i < DOWN; ++i) {
      float4 four = *reinterpret_cast<const float4*>(left + i * Fragment::ROWS * WORDS);
      a[i][0] = four.x, a[i][1] = four.y, a[i][2] = four.z, a[i][3] = four.w;
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
