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

// In shared memory, where its numbers take no registers while they are not used.
template <class Sums>
__device__ __forceinline__ const Shape& shape_of(const int* table) {
  constexpr int NUMBERS = sizeof(Shape) / sizeof(int);
  __shared__ int numbers[NUMBERS];
  if (threadIdx.x < NUMBERS) numbers[threadIdx.x] = table[threadIdx.x];
  __syncthreads();
  return *reinterpret_cast<const Shape*>(numbers);
}

struct alignas(8) Entry {
  int offset;  // values from the first pixel
  int pixels;  // (down << 16) + across, or OUTSIDE
};

// Which pixels from a first one on lie in an image. Both axes are tested at once, in 16
// bits each, of which the upper one is set where a difference is negative. An entry
// that is OUTSIDE changes the upper one of both differences, of which at most one was
// set.
struct Window {
  static constexpr unsigned SIGNS = 0x80008000u;

  unsigned from_first, to_last;

  // Of nothing: whatever is added, the lower difference stays negative.
  __device__ __forceinline__ Window() : from_first(0xc000c000u), to_last(0) {}

  __device__ __forceinline__ Window(int h, int w, int high, int wide)
      : from_first((static_cast<unsigned>(h) << 16) + w),
        to_last((static_cast<unsigned>(high - 1 - h) << 16) + (wide - 1 - w)) {}

  // From another first pixel, so many rows << 16 and columns further on.
  __device__ __forceinline__ void move(int pixels) {
    from_first += pixels;
    to_last -= pixels;
  }

  __device__ __forceinline__ bool has(const Entry& entry) const {
    unsigned pixels = static_cast<unsigned>(entry.pixels);
    return (((from_first + pixels) | (to_last - pixels)) & SIGNS) == 0;
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

  // To the position so many further on; none of a window.
  __device__ __forceinline__ void advance(const Shape& shape, int steps) {
    across += steps;
    while (across >= shape.wide) {
      across -= shape.wide;
      if (++down == shape.high) down = 0, ++image;
    }
  }
};

// The left operand: a tile of rows of the packed weights, 16 bytes a copy.
template <class Sums>
struct PackedWeights {
  const float* weights;  // this thread's first ones
  int padded_rows;

  __device__ __forceinline__ PackedWeights(const float* all, const Shape& shape) {
    padded_rows = shape.padded_rows;
    long long words = static_cast<long long>(shape.slabs) * WORDS;
    int thread = static_cast<int>(threadIdx.x);
    int first = static_cast<int>(blockIdx.y) * Sums::ROWS;
    weights = all + blockIdx.z * words * padded_rows;
    if (Sums::FRAGMENTS)
      weights += static_cast<long long>(first) * WORDS + thread * 4;
    else
      weights += first + at(thread / CHUNKS, thread % CHUNKS * 4);
  }

  template <class Tile>
  __device__ __forceinline__ void fetch(int number, int first, Tile& slab) const {
    const float* from = ahead(weights, number, padded_rows * WORDS);
#pragma unroll
    for (int i = 0; i < PART * CHUNKS; i += Sums::THREADS) {
      int chunk = i + static_cast<int>(threadIdx.x);
      if constexpr (Sums::FRAGMENTS) {
        int after = first * Sums::ROWS;
        copy_words<16>(&slab.left[after + chunk * 4], from + after + i * 4, true);
      } else {
        copy_words<16>(&slab.left[first + chunk / CHUNKS][chunk % CHUNKS * 4],
                       from + at(first + i / CHUNKS, 0), true);
      }
    }
  }

 private:
  static constexpr int CHUNKS = Sums::ROWS / 4;
  static_assert(Sums::FRAGMENTS || Sums::THREADS % CHUNKS == 0, "whole words");

  __device__ __forceinline__ int at(int word, int row) const {
    return word * padded_rows + row;
  }
};

// The right operand: a column or two a thread, that meet a pixel for each table entry.
template <class Sums>
struct Gathered {
  static constexpr int ELEMENTS = WORDS * Sums::EACH;  // of the table, for a slab
  static constexpr bool FEW = Sums::COLUMNS < Sums::THREADS;
  static constexpr int STEP = FEW ? Sums::THREADS / Sums::COLUMNS : 1;
  static constexpr int ACROSS = FEW ? 1 : Sums::COLUMNS / Sums::THREADS;
  static constexpr int MINE = PART / STEP;  // words of a part, of each column
  static constexpr int HELD = Sums::EACH == 1 ? 0 : ACROSS * MINE * Sums::EACH;

  const float* first_pixel[ACROSS];
  const float* valid;  // any address
  const Entry* table;
  Entry (*entries)[ELEMENTS];  // of the slab to gather, and of the next
  Window window[ACROSS];
  int column, start;
  float held[HELD + 1];

  __device__ __forceinline__ Gathered(const float* source, const Entry* list,
                                      const Shape& shape, bool pooled,
                                      Entry (*buffer)[ELEMENTS])
      : valid(source), table(list), entries(buffer) {
    column = static_cast<int>(threadIdx.x) % Sums::COLUMNS;
    start = static_cast<int>(threadIdx.x) / Sums::COLUMNS;
#pragma unroll
    for (int i = 0; i < ACROSS; ++i) place(i, source, shape, pooled);
    load_entries(0);
    __syncthreads();
  }

  __device__ __forceinline__ void place(int i, const float* source, const Shape& shape,
                                        bool pooled) {
    int number = static_cast<int>(blockIdx.x) * Sums::COLUMNS + column;
    number += i * Sums::THREADS;
    bool is_there = number < shape.columns;
    Position at(shape, is_there ? number : 0, pooled);
    int h = at.down * shape.step_h + shape.first_h;
    int w = at.across * shape.step_w + shape.first_w;
    if (is_there) window[i] = Window(h, w, shape.source_h, shape.source_w);
    long long image = static_cast<long long>(at.image) * shape.source_image +
                      static_cast<long long>(blockIdx.z) * shape.source_group;
    first_pixel[i] = source + (image + h * shape.source_w + w);
  }

  // The table has a slab more than there are.
  __device__ __forceinline__ void load_entries(int number) const {
    int e = static_cast<int>(threadIdx.x);
    if (e < ELEMENTS)
      entries[number % 2][e] = table[number * ELEMENTS + e];
  }

  template <class Tile>
  __device__ __forceinline__ void fetch(int number, int first, Tile& slab) {
    // All of them first: after a load from shared memory a copy has to wait.
    Entry list[MINE * Sums::EACH];
    load(&entries[number & 1][(first + start) * Sums::EACH], list);
#pragma unroll
    for (int c = 0; c < ACROSS; ++c)
#pragma unroll
      for (int i = 0; i < MINE * Sums::EACH; ++i) {
        const float* from = ahead(first_pixel[c], list[i].offset);
        bool inside = window[c].has(list[i]);
        if constexpr (Sums::EACH == 1)
          copy_words<4>(word(slab, first, c, i), from, inside);
        else
          held[c * MINE * Sums::EACH + i] = word_or_zero(from, inside, valid);
      }
    if (first + PART == WORDS) load_entries(number + 1);
  }

  // Two at a time, where they are neighbours.
  static __device__ __forceinline__ void load(const Entry* from, Entry* list) {
    constexpr bool PAIRS = STEP == 1 || Sums::EACH == 2;
#pragma unroll
    for (int i = 0; i < MINE * Sums::EACH; i += PAIRS ? 2 : 1) {
      const Entry* at = from + (i / Sums::EACH * STEP * Sums::EACH + i % Sums::EACH);
      if constexpr (PAIRS) {
        int4 two = *reinterpret_cast<const int4*>(at);
        list[i] = Entry{two.x, two.y};
        list[i + 1] = Entry{two.z, two.w};
      } else {
        list[i] = *at;
      }
    }
  }

  template <class Tile>
  __device__ __forceinline__ float* word(Tile& slab, int first, int c, int i) const {
    return &slab.right[first + start + i * STEP][column + c * Sums::THREADS];
  }

  // Words that copies could not make.
  template <class Tile>
  __device__ __forceinline__ void settle(int first, Tile& slab) const {
    if constexpr (Sums::EACH == 2)
#pragma unroll
      for (int i = 0; i < ACROSS * MINE; ++i)
        *word(slab, first, i / MINE, i % MINE) =
            Sums::word(held[2 * i], held[2 * i + 1]);
  }
};

template <class Sums>
struct Convolved {
  PackedWeights<Sums> left;
  Gathered<Sums> right;

  template <class Tile>
  __device__ __forceinline__ void fetch(int number, int first, Tile& slab) {
    left.fetch(number, first, slab);
    right.fetch(number, first, slab);
  }

  template <class Tile>
  __device__ __forceinline__ void settle(int first, Tile& slab) const {
    right.settle(first, slab);
  }
};

// Where the sums of a block go: begin() says it of a run of neighbouring columns, and
// store() stores those of one row.
template <class Sums>
struct Stored {
  const Shape& shape;
  Epilogue finish;
  float* y;

  struct Run {
    float* first;  // where the first column's sum goes, of the block's first row
    int after[Sums::WIDTH];  // and the others' from there
    int count;               // columns that there are
  };

  __device__ __forceinline__ Run begin(int column) const {
    column += static_cast<int>(blockIdx.x) * Sums::COLUMNS;
    bool pooled = finish.flags & POOLED;
    Position place(shape, pooled ? column / 4 : column, false);
    Run run;
    long long start = at(place);
    run.first = y + start;
    run.count = min(shape.columns - column, Sums::WIDTH);
#pragma unroll
    for (int i = 0; i < Sums::WIDTH; ++i) {
      run.after[i] = static_cast<int>(at(place) - start);
      place.advance(shape, 1);
    }
    // Of the two lanes that have a window, the first stores it.
    if (pooled && column % 4) run.count = 0;
    return run;
  }

  __device__ __forceinline__ long long at(const Position& place) const {
    int h = place.down * shape.out_step_h + shape.out_first_h;
    int w = place.across * shape.out_step_w + shape.out_first_w;
    long long filter = static_cast<long long>(place.image) * finish.filters +
                       static_cast<int>(blockIdx.z) * shape.rows +
                       static_cast<int>(blockIdx.y) * Sums::ROWS;
    return (filter * shape.out_h + h) * shape.out_w + w;
  }

  __device__ __forceinline__ void store(const Run& run, int row,
                                        const float* sums) const {
    int number = static_cast<int>(blockIdx.y) * Sums::ROWS + row;
    int filter = static_cast<int>(blockIdx.z) * shape.rows +
                 min(number, shape.rows - 1);
    float values[Sums::WIDTH];
#pragma unroll
    for (int i = 0; i < Sums::WIDTH; ++i) values[i] = finish(sums[i], filter);
    float best = finish.flags & POOLED ? largest(values) : 0.0f;
    if (number >= shape.rows || run.count <= 0) return;
    float* to = run.first + static_cast<long long>(row) * shape.out_h * shape.out_w;
    if (finish.flags & POOLED) {
      *to = best;
    } else if (finish.flags & VECTORS) {
      store_run(to, values);
    } else {
#pragma unroll
      for (int i = 0; i < Sums::WIDTH; ++i)
        if (i < run.count) to[run.after[i]] = values[i];
    }
  }

  // Of a window, whose four positions are columns in a row: of one thread, or of two.
  static __device__ __forceinline__ float largest(const float (&values)[Sums::WIDTH]) {
    float best = LOWEST;
#pragma unroll
    for (int i = 0; i < Sums::WIDTH; ++i) best = larger(best, values[i]);
    return Sums::LANES_SHARE ? larger(best, __shfl_xor_sync(0xffffffffu, best, 1))
                             : best;
  }
};

template <class Sums>
__device__ __forceinline__ void convolve(const float* source, const float* weights,
                                         const int* table, const float* bias,
                                         const float* terms, float* y, int flags) {
  alignas(16) __shared__ Entry entries[2][Gathered<Sums>::ELEMENTS];
  const Shape& shape = shape_of<Sums>(table);
  auto list = reinterpret_cast<const Entry*>(table + sizeof(Shape) / sizeof(int));
  Sums sums;
  Convolved<Sums> operands{{weights, shape},
                           {source, list, shape, (flags & POOLED) != 0, entries}};
  sum_slabs(sums, operands, shape.slabs);
  Epilogue finish{bias, terms, static_cast<int>(gridDim.z) * shape.rows, flags};
  sums.store(Stored<Sums>{shape, finish, y});
}
