// Products of matrices on tensor cores, of float32 that is rounded on the way.
#include "tensor.cuh"
#include "weight_gradient.cuh"

// One operand of a product: SIZE rows, or columns, of which *count* are there. Where
// ALONG, the reduction runs along memory, and *step* leads from one row to the next;
// else rows lie side by side, and *step* leads along the reduction.
template <class Sums, int SIZE, bool ALONG>
struct Operand {
  static constexpr int MINE = SIZE * PART / Sums::THREADS, EACH = Sums::EACH;

  const float* from;
  int step, count, end;
  float held[MINE * EACH];

  static __device__ __forceinline__ int word(int i) {
    int thread = static_cast<int>(threadIdx.x);
    return ALONG ? thread % PART : (thread + i * Sums::THREADS) / SIZE;
  }

  static __device__ __forceinline__ int place(int i) {
    int thread = static_cast<int>(threadIdx.x);
    return ALONG ? thread / PART + i * Sums::THREADS / PART
                 : (thread + i * Sums::THREADS) % SIZE;
  }

  // Words of the elements from *first* on; with two in a word, the second comes from
  // PART further on.
  __device__ __forceinline__ void fetch(int first, float (*words)[SIZE + SPARE]) {
#pragma unroll
    for (int i = 0; i < MINE; ++i)
#pragma unroll
      for (int half = 0; half < EACH; ++half) {
        int element = first + half * PART + word(i);
        bool inside = element < end && place(i) < count;
        int offset = ALONG ? place(i) * step + element : element * step + place(i);
        if constexpr (EACH == 1)
          copy_words<4>(&words[word(i)][place(i)], from + offset, inside);
        else
          held[2 * i + half] = word_or_zero(from + offset, inside, from);
      }
  }

  __device__ __forceinline__ void settle(float (*words)[SIZE + SPARE]) const {
    if constexpr (EACH == 2)
#pragma unroll
      for (int i = 0; i < MINE; ++i)
        words[word(i)][place(i)] = Sums::word(held[2 * i], held[2 * i + 1]);
  }
};

template <class Sums, bool LEFT_ALONG, bool RIGHT_ALONG>
struct Multiplied {
  Operand<Sums, Sums::ROWS, LEFT_ALONG> left;
  Operand<Sums, Sums::COLUMNS, RIGHT_ALONG> right;
  int start;

  template <class Tile>
  __device__ __forceinline__ void fetch(int number, int first, Tile& slab) {
    int element = start + (number * WORDS + first) * Sums::EACH;
    left.fetch(element, slab.left + first);
    right.fetch(element, slab.right + first);
  }

  template <class Tile>
  __device__ __forceinline__ void settle(int first, Tile& slab) const {
    left.settle(slab.left + first);
    right.settle(slab.right + first);
  }
};

// parts[p] (rows, columns) = a b, summed over the p-th *slabs* slabs of *length*
// elements. Grid: tiles of columns, tiles of rows, parts.
template <class Sums, bool LEFT_ALONG, bool RIGHT_ALONG>
__device__ __forceinline__ void multiply(const float* a, const float* b, float* parts,
                                         int rows, int columns, int length, int step_a,
                                         int step_b, int slabs) {
  int row = static_cast<int>(blockIdx.y) * Sums::ROWS;
  int column = static_cast<int>(blockIdx.x) * Sums::COLUMNS;
  int part = static_cast<int>(blockIdx.z);
  int start = part * slabs * WORDS * Sums::EACH;
  int end = min(start + slabs * WORDS * Sums::EACH, length);
  Sums sums;
  Multiplied<Sums, LEFT_ALONG, RIGHT_ALONG> operands{
      {a + (LEFT_ALONG ? row * step_a : row), step_a, rows - row, end, {}},
      {b + (RIGHT_ALONG ? column * step_b : column), step_b, columns - column, end, {}},
      start};
  sum_slabs(sums, operands, slabs);
  float* target = parts + static_cast<long long>(part) * rows * columns;
  sums.store(StoredPart<Sums>{target, rows, columns});
}

// Of a (rows, length), b (columns, length).
extern "C" __global__ void __launch_bounds__(128, 3)
    multiply_tf32_nt(const float* __restrict__ a, const float* __restrict__ b,
                     float* __restrict__ parts, int rows, int columns, int length,
                     int step_a, int step_b, int slabs) {
  multiply<TensorSums<Tf32, 64, 128>, true, true>(a, b, parts, rows, columns, length,
                                               step_a, step_b, slabs);
}

// Of a (rows, length), b (length, columns).
extern "C" __global__ void __launch_bounds__(128, 3)
    multiply_tf32_nn(const float* __restrict__ a, const float* __restrict__ b,
                     float* __restrict__ parts, int rows, int columns, int length,
                     int step_a, int step_b, int slabs) {
  multiply<TensorSums<Tf32, 64, 128>, true, false>(a, b, parts, rows, columns, length,
                                               step_a, step_b, slabs);
}

// Of a (length, rows), b (length, columns).
extern "C" __global__ void __launch_bounds__(128, 3)
    multiply_tf32_tn(const float* __restrict__ a, const float* __restrict__ b,
                     float* __restrict__ parts, int rows, int columns, int length,
                     int step_a, int step_b, int slabs) {
  multiply<TensorSums<Tf32, 64, 128>, false, false>(a, b, parts, rows, columns, length,
                                               step_a, step_b, slabs);
}

// Of a (rows, length), b (columns, length).
extern "C" __global__ void __launch_bounds__(128, 3)
    multiply_fp16_nt(const float* __restrict__ a, const float* __restrict__ b,
                     float* __restrict__ parts, int rows, int columns, int length,
                     int step_a, int step_b, int slabs) {
  multiply<TensorSums<Half, 64, 128>, true, true>(a, b, parts, rows, columns, length,
                                               step_a, step_b, slabs);
}

// Of a (rows, length), b (length, columns).
extern "C" __global__ void __launch_bounds__(128, 3)
    multiply_fp16_nn(const float* __restrict__ a, const float* __restrict__ b,
                     float* __restrict__ parts, int rows, int columns, int length,
                     int step_a, int step_b, int slabs) {
  multiply<TensorSums<Half, 64, 128>, true, false>(a, b, parts, rows, columns, length,
                                               step_a, step_b, slabs);
}

// Of a (length, rows), b (length, columns).
extern "C" __global__ void __launch_bounds__(128, 3)
    multiply_fp16_tn(const float* __restrict__ a, const float* __restrict__ b,
                     float* __restrict__ parts, int rows, int columns, int length,
                     int step_a, int step_b, int slabs) {
  multiply<TensorSums<Half, 64, 128>, false, false>(a, b, parts, rows, columns, length,
                                               step_a, step_b, slabs);
}
