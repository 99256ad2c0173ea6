// Weights laid out as the left operand of a product, zeros up to whole tiles: words of
// the reduction one after another, each with the rows (filters) side by side; or, slab
// by slab, the fragments that tensor cores take, of 16 rows after another.
#pragma once

#include "tensor.cuh"

constexpr int PACKED_ROWS = 32;  // of a block, for one slab's words
constexpr int PACKED_BLOCK = 256;

// Grid: slabs, runs of rows, groups. *origins* has for each element of the reduction
// where the first row's weight stands within its group; -1: there is none.
template <class Sums>
__device__ __forceinline__ void pack(const float* w, const int* origins, float* packed,
                                     int rows, int row_step, int group_step) {
  __shared__ float tile[WORDS][PACKED_ROWS + 2];
  int thread = static_cast<int>(threadIdx.x);
  int words = static_cast<int>(gridDim.x) * WORDS;
  int padded_rows = static_cast<int>(gridDim.y) * PACKED_ROWS;
  const float* own = w + static_cast<long long>(blockIdx.z) * group_step;
  const int* list = origins + blockIdx.x * WORDS * Sums::EACH;
  auto value = [&](int element, int row) {
    int origin = list[element];
    return origin >= 0 && row < rows ? own[origin + row * row_step] : 0.0f;
  };
  for (int i = thread; i < WORDS * PACKED_ROWS; i += PACKED_BLOCK) {
    int word = i % WORDS, element = word * Sums::EACH;
    int row = static_cast<int>(blockIdx.y) * PACKED_ROWS + i / WORDS;
    tile[word][i / WORDS] =
        Sums::word(value(element, row), value(element + Sums::EACH - 1, row));
  }
  __syncthreads();
  long long slab = static_cast<long long>(blockIdx.z) * words + blockIdx.x * WORDS;
  packed += slab * padded_rows;
  for (int i = thread; i < WORDS * PACKED_ROWS; i += PACKED_BLOCK) {
    if (Sums::FRAGMENTS) {
      constexpr int SIZE = Fragment::ROWS * PART;
      int lane = i / 4 % 32, number = i / SIZE;
      packed[blockIdx.y * PACKED_ROWS * WORDS + i] =
          tile[number % 2 * PART + Fragment::word_of(lane, i % 4)]
              [number / 2 * Fragment::ROWS + Fragment::row_of(lane, i % 4)];
    } else {
      packed[i / PACKED_ROWS * padded_rows + blockIdx.y * PACKED_ROWS +
             i % PACKED_ROWS] = tile[i / PACKED_ROWS][i % PACKED_ROWS];
    }
  }
}
