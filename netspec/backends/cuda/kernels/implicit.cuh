// Convolution as a product of matrices that is never laid out: weights times what every
// output position meets, which is gathered from the source a slab at a time.
//
// It makes a convolution's outputs from its inputs, and the inputs' gradient from the
// outputs': only the table differs, which says how far from an output's first pixel
// the pixel lies that each row of the reduction meets.
#pragma once

#include "async.cuh"
#include "epilogue.cuh"
#include "tiles.cuh"

// What the table begins with; all of it numbers of the geometry.
struct Shape {
  int rows;              // filters of one group
  int slabs;             // of the reduction
  int columns;           // positions of all images
  int high, wide;        // positions of one image, or windows of 2 x 2 of them
  int step_h, step_w;    // from one position to the next, in pixels of the source
  int first_h, first_w;  // pixel of position (0, 0)
  int source_h, source_w;
  int source_image, source_group;  // values of one image, and of a group of it
  int out_h, out_w;
  int out_step_h, out_step_w;  // from one position to the next, in pixels of the result
  int out_first_h, out_first_w;
  int padded_rows;  // of the packed weights: whole tiles
};

constexpr int BELOW = 1 << 20;  // a row below every image

struct Entry {
  int offset;  // values from the first pixel
  int pixels;  // down in the lower 16 bits, across in the upper

  __device__ __forceinline__ bool inside(int h, int w, int high, int wide) const {
    h += static_cast<short>(pixels & 0xffff);
    w += pixels >> 16;
    return static_cast<unsigned>(h) < static_cast<unsigned>(high) &&
           static_cast<unsigned>(w) < static_cast<unsigned>(wide);
  }
};

struct Position {
  int image, down, across;

  __device__ __forceinline__ Position(const Shape& shape, int column, bool pooled) {
    int index = pooled ? column / 4 : column, corner = pooled ? column % 4 : 0;
    image = index / (shape.high * shape.wide);
    int rest = index - image * shape.high * shape.wide;
    down = rest / shape.wide;
    across = rest - down * shape.wide;
    if (pooled) down = 2 * down + corner / 2, across = 2 * across + corner % 2;
  }
};

// The left operand: a tile of rows of the packed weights, 16 bytes a copy.
template <class Sums>
struct PackedWeights {
  const float* weights;
  int padded_rows;

  __device__ __forceinline__ PackedWeights(const float* all, const Shape& shape) {
    padded_rows = shape.padded_rows;
    long long words = static_cast<long long>(shape.slabs) * WORDS;
    weights = all + blockIdx.z * words * padded_rows + blockIdx.y * Sums::ROWS;
  }

  template <class Tile>
  __device__ __forceinline__ void fetch(int number, int first, Tile& slab) const {
    constexpr int CHUNKS = Sums::ROWS / 4;
#pragma unroll
    for (int i = 0; i < PART * CHUNKS; i += Sums::THREADS) {
      int chunk = i + static_cast<int>(threadIdx.x);
      int word = first + chunk / CHUNKS, row = chunk % CHUNKS * 4;
      int at = (number * WORDS + word) * padded_rows + row;
      copy_words<16>(&slab.left[word][row], weights + at, true);
    }
  }

  template <class Tile>
  __device__ __forceinline__ void settle(int, Tile&) const {}
};

// The right operand: one column a thread, that meets a pixel for each table entry.
template <class Sums>
struct Gathered {
  static constexpr int ELEMENTS = WORDS * Sums::EACH;  // of the table, for a slab
  static constexpr int STEP = Sums::THREADS / Sums::COLUMNS;
  static constexpr int MINE = PART / STEP;  // words of a part

  const float* source;  // the image and group
  const Entry* table;
  Entry (*entries)[ELEMENTS];  // of the slab to gather, and of the next
  int h, w, origin, high, wide, column, start;
  float held[Sums::EACH == 1 ? 1 : MINE * Sums::EACH];

  __device__ __forceinline__ Gathered(const float* all, const Entry* list,
                                      const Shape& shape, bool pooled,
                                      Entry (*buffer)[ELEMENTS])
      : table(list), entries(buffer) {
    column = static_cast<int>(threadIdx.x) % Sums::COLUMNS;
    start = static_cast<int>(threadIdx.x) / Sums::COLUMNS;
    int number = static_cast<int>(blockIdx.x) * Sums::COLUMNS + column;
    Position at(shape, min(number, shape.columns - 1), pooled);
    high = shape.source_h, wide = shape.source_w;
    // A column beyond the last is below every image: nothing is inside.
    h = at.down * shape.step_h + shape.first_h;
    w = at.across * shape.step_w + shape.first_w;
    origin = h * wide + w;
    if (number >= shape.columns) h = BELOW;
    source = all + static_cast<long long>(at.image) * shape.source_image +
             static_cast<long long>(blockIdx.z) * shape.source_group;
    load_entries(0);
    __syncthreads();
  }

  // The table has a slab more than there are.
  __device__ __forceinline__ void load_entries(int number) const {
    int e = static_cast<int>(threadIdx.x);
    if (e < ELEMENTS)
      entries[number % 2][e] = table[number * ELEMENTS + e];
  }

  template <class Tile>
  __device__ __forceinline__ void fetch(int number, int first, Tile& slab) {
    const Entry* list = entries[number % 2];
#pragma unroll
    for (int i = 0; i < MINE; ++i) {
      int word = first + start + i * STEP;
      if constexpr (Sums::EACH == 1) {
        bool inside = is_inside(list[word]);
        const float* from = source + (inside ? origin + list[word].offset : 0);
        copy_words<4>(&slab.right[word][column], from, inside);
      } else {
        held[2 * i] = value(list[2 * word]);
        held[2 * i + 1] = value(list[2 * word + 1]);
      }
    }
    if (first + PART == WORDS) load_entries(number + 1);
  }

  __device__ __forceinline__ bool is_inside(const Entry& entry) const {
    return entry.inside(h, w, high, wide);
  }

  __device__ __forceinline__ float value(const Entry& entry) const {
    return is_inside(entry) ? __ldg(source + origin + entry.offset) : 0.0f;
  }

  // Words that copies could not make.
  template <class Tile>
  __device__ __forceinline__ void settle(int first, Tile& slab) const {
    if constexpr (Sums::EACH == 2)
#pragma unroll
      for (int i = 0; i < MINE; ++i)
        slab.right[first + start + i * STEP][column] =
            Sums::word(held[2 * i], held[2 * i + 1]);
  }
};

// Sum slabs that two operands bring, each while the one before it is summed.
template <class Sums, class Left, class Right>
__device__ __forceinline__ void sum_slabs(Sums& sums, Left& left, Right& right,
                                          int count) {
  __shared__ Slab<Sums::ROWS, Sums::COLUMNS> slabs[2];
  for (int number = -1; number < count; ++number) {
    const auto& slab = slabs[number & 1];
    auto& next = slabs[(number + 1) & 1];
    wait_for_copies();
    __syncthreads();
#pragma unroll
    for (int first = 0; first < WORDS; first += PART) {
      bool more = number + 1 < count;
      if (more) left.fetch(number + 1, first, next);
      if (more) right.fetch(number + 1, first, next);
      if (number >= 0) sums.add(slab, first);
      if (more) left.settle(first, next), right.settle(first, next);
    }
  }
}

// Where the sums of a block go.
template <class Sums>
struct Stored {
  const Shape& shape;
  Epilogue finish;
  float* y;

  __device__ __forceinline__ void operator()(int row, int column,
                                             const float* sums) const {
    row += static_cast<int>(blockIdx.y) * Sums::ROWS;
    column += static_cast<int>(blockIdx.x) * Sums::COLUMNS;
    int filter = static_cast<int>(blockIdx.z) * shape.rows + min(row, shape.rows - 1);
    float values[Sums::WIDTH];
#pragma unroll
    for (int i = 0; i < Sums::WIDTH; ++i) values[i] = finish(sums[i], filter);
    bool is_there = row < shape.rows && column < shape.columns;
    if (finish.flags & POOLED) {
      float best = largest(values);
      if (is_there && column % 4 == 0) *at(column, filter) = best;
    } else if (is_there && (finish.flags & VECTORS)) {
      store(at(column, filter), values);
    } else if (is_there) {
#pragma unroll
      for (int i = 0; i < Sums::WIDTH; ++i)
        if (column + i < shape.columns) *at(column + i, filter) = values[i];
    }
  }

  __device__ __forceinline__ float* at(int column, int filter) const {
    bool pooled = finish.flags & POOLED;
    Position place(shape, pooled ? column / 4 : column, false);
    int h = place.down * shape.out_step_h + shape.out_first_h;
    int w = place.across * shape.out_step_w + shape.out_first_w;
    long long plane = static_cast<long long>(place.image) * finish.filters + filter;
    return y + (plane * shape.out_h + h) * shape.out_w + w;
  }

  // Of a window, whose four positions are columns in a row: of one thread, or of two.
  static __device__ __forceinline__ float largest(const float (&values)[Sums::WIDTH]) {
    float best = LOWEST;
#pragma unroll
    for (int i = 0; i < Sums::WIDTH; ++i) best = larger(best, values[i]);
    return Sums::LANES_SHARE
               ? larger(best, __shfl_xor_sync(0xffffffffu, best, 1))
               : best;
  }

  static __device__ __forceinline__ void store(float* to, const float (&values)[4]) {
    *reinterpret_cast<float4*>(to) =
        make_float4(values[0], values[1], values[2], values[3]);
  }

  static __device__ __forceinline__ void store(float* to, const float (&values)[2]) {
    *reinterpret_cast<float2*>(to) = make_float2(values[0], values[1]);
  }
};

template <class Sums>
__device__ __forceinline__ void convolve(const float* source, const float* weights,
                                         const int* table, const float* bias,
                                         const float* terms, float* y, int flags) {
  __shared__ Entry entries[2][Gathered<Sums>::ELEMENTS];
  const Shape& shape = *reinterpret_cast<const Shape*>(table);
  auto list = reinterpret_cast<const Entry*>(table + sizeof(Shape) / sizeof(int));
  Sums sums;
  PackedWeights<Sums> left(weights, shape);
  Gathered<Sums> right(source, list, shape, flags & POOLED, entries);
  sum_slabs(sums, left, right, shape.slabs);
  Epilogue finish{bias, terms, static_cast<int>(gridDim.z) * shape.rows, flags};
  sums.each(Stored<Sums>{shape, finish, y});
}
