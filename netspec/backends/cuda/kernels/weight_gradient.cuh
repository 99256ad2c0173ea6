// The weights' gradient as a product of matrices: rows are filters, columns are channels
// and taps, and the reduction goes over the positions of all images.
//
// The positions are cut into parts, whose sums are stored apart and added afterwards in
// order (sum_parts), so that no two blocks ever add to one number.
#pragma once

#include "implicit.cuh"

// How far it is from one position to the next, in the values of dy and x and for a
// Window: to the next in a line, line and image.
struct Strides {
  int wide, high;
  int pixel, pixel_line, pixel_image;
  int window, window_line, window_image;
  int dy_image;

  __device__ __forceinline__ void set(const Shape& shape, int groups) {
    wide = shape.wide, high = shape.high;
    pixel = window = PART * shape.step_w;
    pixel_line = shape.step_h * shape.source_w - wide * shape.step_w;
    pixel_image = shape.source_image - high * shape.step_h * shape.source_w;
    window_line = (shape.step_h << 16) - wide * shape.step_w;
    window_image = -((high * shape.step_h) << 16);
    dy_image = (groups * shape.rows - 1) * high * wide;
  }
};

// Both operands. Eight neighbouring threads take eight neighbouring positions of one
// filter, or of one column, so that they read whole sectors.
template <class Sums>
struct Correlated {
  static constexpr int LINES = Sums::THREADS / PART;  // that are fetched at a time
  static constexpr int LEFT = Sums::ROWS / LINES, RIGHT = Sums::COLUMNS / LINES;
  static constexpr int HELD = Sums::EACH == 1 ? 0 : Sums::EACH;

  const Strides& strides;
  const float* valid;  // any address
  // Of this thread's next position: dy of its first row, x of the first tap.
  const float *above, *pixel;
  Window window;
  int position, end, down, across;
  int rows, plane;  // from the first row on; values of dy from one to the next
  Entry list[RIGHT];  // of this thread's columns
  float held_left[LEFT * HELD + 1], held_right[RIGHT * HELD + 1];

  static __device__ __forceinline__ int lane() {
    return static_cast<int>(threadIdx.x) % PART;
  }

  static __device__ __forceinline__ int line(int i) {
    return static_cast<int>(threadIdx.x) / PART + i * LINES;
  }

  template <class Tile>
  __device__ __forceinline__ void fetch(int, int first, Tile& slab) {
    if constexpr (Sums::EACH == 1) {
      visit(
          [&](int i, const float* from, bool inside) {
            copy_words<4>(&slab.left[first + lane()][line(i)], from, inside);
          },
          [&](int i, const float* from, bool inside) {
            copy_words<4>(&slab.right[first + lane()][line(i)], from, inside);
          });
    } else {
#pragma unroll
      for (int half = 0; half < 2; ++half)
        visit(
            [&](int i, const float* from, bool inside) {
              held_left[2 * i + half] = word_or_zero(from, inside, valid);
            },
            [&](int i, const float* from, bool inside) {
              held_right[2 * i + half] = word_or_zero(from, inside, valid);
            });
    }
  }

  // Words that copies could not make.
  template <class Tile>
  __device__ __forceinline__ void settle(int first, Tile& slab) const {
    if constexpr (Sums::EACH == 2) {
#pragma unroll
      for (int i = 0; i < LEFT; ++i)
        slab.left[first + lane()][line(i)] =
            Sums::word(held_left[2 * i], held_left[2 * i + 1]);
#pragma unroll
      for (int i = 0; i < RIGHT; ++i)
        slab.right[first + lane()][line(i)] =
            Sums::word(held_right[2 * i], held_right[2 * i + 1]);
    }
  }

  // Call the two with what meets this thread's position, and go on to its next.
  template <class Left, class Right>
  __device__ __forceinline__ void visit(Left left, Right right) {
    bool is_there = position < end;
#pragma unroll
    for (int i = 0; i < LEFT; ++i)
      left(i, ahead(above, plane, i * LINES), is_there && i * LINES < rows);
    Window there = is_there ? window : Window();
#pragma unroll
    for (int i = 0; i < RIGHT; ++i)
      right(i, ahead(pixel, list[i].offset), there.has(list[i]));
    advance();
  }

  __device__ __forceinline__ void advance() {
    position += PART, across += PART;
    above += PART, pixel = ahead(pixel, strides.pixel);
    window.move(strides.window);
    while (across >= strides.wide) {
      across -= strides.wide;
      pixel = ahead(pixel, strides.pixel_line);
      window.move(strides.window_line);
      if (++down < strides.high) continue;
      down = 0;
      above = ahead(above, strides.dy_image);
      pixel = ahead(pixel, strides.pixel_image);
      window.move(strides.window_image);
    }
  }
};

// Sums of one part: parts are (filters, elements) numbers each, one after another.
template <class Sums>
struct StoredPart {
  float* part;
  int rows, elements;

  __device__ __forceinline__ int begin(int column) const {
    return static_cast<int>(blockIdx.x) * Sums::COLUMNS + column;
  }

  __device__ __forceinline__ void store(int column, int row, const float* sums) const {
    row += static_cast<int>(blockIdx.y) * Sums::ROWS;
    if (row >= rows || column >= elements) return;
    float values[Sums::WIDTH];
#pragma unroll
    for (int i = 0; i < Sums::WIDTH; ++i) values[i] = sums[i];
    float* to = part + static_cast<long long>(row) * elements + column;
    if (elements % Sums::WIDTH == 0) {
      store_run(to, values);
    } else {
#pragma unroll
      for (int i = 0; i < Sums::WIDTH; ++i)
        if (column + i < elements) to[i] = values[i];
    }
  }
};

// Grid: tiles of columns, tiles of rows, groups of all parts.
template <class Sums>
__device__ __forceinline__ void correlate(const float* x, const float* dy,
                                          const int* table, float* parts, int elements,
                                          int groups, int slabs) {
  __shared__ float* target;  // here it takes no registers during the sums
  const Shape& shape = shape_of<Sums>(table);
  int part = static_cast<int>(blockIdx.z) / groups;
  int group = static_cast<int>(blockIdx.z) % groups;
  if (threadIdx.x == 0) {
    long long filters = static_cast<long long>(part) * groups + group;
    target = parts + filters * shape.rows * elements;
  }
  int start = part * slabs * WORDS * Sums::EACH;
  int end = min(start + slabs * WORDS * Sums::EACH, shape.columns);
  int position = start + static_cast<int>(threadIdx.x) % PART;
  Position at(shape, position, false);
  int row = static_cast<int>(blockIdx.y) * Sums::ROWS + Correlated<Sums>::line(0);
  int plane = shape.high * shape.wide;
  int h = at.down * shape.step_h + shape.first_h;
  int w = at.across * shape.step_w + shape.first_w;
  long long filter = static_cast<long long>(at.image) * groups * shape.rows +
                     group * shape.rows + row;
  long long image = static_cast<long long>(at.image) * shape.source_image +
                    static_cast<long long>(group) * shape.source_group;
  __shared__ Strides strides;
  if (threadIdx.x == 0) strides.set(shape, groups);
  Correlated<Sums> operands{strides,
                            x,
                            dy + (filter * plane + at.down * shape.wide + at.across),
                            x + (image + h * shape.source_w + w),
                            Window(h, w, shape.source_h, shape.source_w),
                            position,
                            end,
                            at.down,
                            at.across,
                            shape.rows - row,
                            plane,
                            {},
                            {},
                            {}};
  auto list = reinterpret_cast<const Entry*>(table + sizeof(Shape) / sizeof(int));
  int first = static_cast<int>(blockIdx.x) * Sums::COLUMNS;
#pragma unroll
  for (int i = 0; i < Correlated<Sums>::RIGHT; ++i)  // behind the last is padding
    operands.list[i] = list[min(first + Correlated<Sums>::line(i), elements)];
  __syncthreads();
  Sums sums;
  sum_slabs(sums, operands, slabs);
  sums.store(StoredPart<Sums>{target, shape.rows, elements});
}
