// Elements in another order, blocks side by side, repeated, or put back where a maximum
// was; see reference/{arrangement,movement,selection}.py.
#include "map.cuh"

// Where element i of a contiguous array lies in a strided one; table: (axes, sizes and
// strides), the last axis last.
__device__ inline long long place_of(long long i, int axes, const long long* table) {
  long long at = 0;
  for (int axis = axes - 1; axis >= 0; --axis) {
    const long long above = quotient(i, table[axis]);
    at += (i - above * table[axis]) * table[axes + axis];
    i = above;
  }
  return at;
}

extern "C" __global__ void gather(const float* x, float* y, const long long* table,
                                  long long n, int axes, long long offset) {
  for (long long i = first_index(); i < n; i += index_step())
    y[i] = x[offset + place_of(i, axes, table)];
}

extern "C" __global__ void scatter(const float* x, float* y, const long long* table,
                                   long long n, int axes, long long offset) {
  for (long long i = first_index(); i < n; i += index_step())
    y[offset + place_of(i, axes, table)] = x[i];
}

const int TILE = 32;

// gather for y (outer, rows, columns) of an x that is contiguous along the rows: a
// block reads a tile along them and writes it along the columns.
extern "C" __global__ void gather_tiles(const float* x, float* y, long long rows,
                                        long long columns, long long outer_stride,
                                        long long column_stride, long long offset) {
  __shared__ float tile[TILE][TILE + 1];
  const long long across = (columns + TILE - 1) / TILE, down = (rows + TILE - 1) / TILE;
  const long long strip = quotient(blockIdx.x, across), outer = quotient(strip, down);
  const long long row = (strip - outer * down) * TILE;
  const long long column = (blockIdx.x - strip * across) * TILE;
  const float* from = x + offset + outer * outer_stride;
  for (int i = threadIdx.y; i < TILE; i += blockDim.y)
    if (row + threadIdx.x < rows && column + i < columns)
      tile[i][threadIdx.x] = from[(column + i) * column_stride + row + threadIdx.x];
  __syncthreads();
  for (int i = threadIdx.y; i < TILE; i += blockDim.y)
    if (row + i < rows && column + threadIdx.x < columns)
      y[(outer * rows + row + i) * columns + column + threadIdx.x] =
          tile[threadIdx.x][i];
}

// Where element i of a part lies in the whole: rows of columns elements, at start in
// rows of width.
__device__ inline long long in_whole(long long i, long long columns, long long width,
                                     long long start) {
  const long long row = quotient(i, columns);
  return row * width + start + i - row * columns;
}

__device__ inline bool whole_quads(const float* a, const float* b, long long columns,
                                   long long width, long long start) {
  return (columns | width | start) % 4 == 0 && takes_vectors(a, b);
}

extern "C" __global__ void read_block(const float* whole, float* part, long long n,
                                      long long columns, long long width,
                                      long long start) {
  if (whole_quads(whole, part, columns, width, start)) {
    for (long long q = first_index(); q < n / 4; q += index_step())
      store_four(part, q, four(whole, in_whole(q, columns / 4, width / 4, start / 4)));
    return;
  }
  for (long long i = first_index(); i < n; i += index_step())
    part[i] = whole[in_whole(i, columns, width, start)];
}

extern "C" __global__ void write_block(const float* part, float* whole, long long n,
                                       long long columns, long long width,
                                       long long start) {
  if (whole_quads(part, whole, columns, width, start)) {
    for (long long q = first_index(); q < n / 4; q += index_step())
      store_four(whole, in_whole(q, columns / 4, width / 4, start / 4), four(part, q));
    return;
  }
  for (long long i = first_index(); i < n; i += index_step())
    whole[in_whole(i, columns, width, start)] = part[i];
}

// Each pixel of x (P, H, W) becomes factor x factor pixels of y.
extern "C" __global__ void repeat(const float* x, float* y, long long n, int width,
                                  int factor) {
  const long long wide = (long long)width * factor;
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long line = quotient(i, wide), column = i - line * wide;
    y[i] = x[quotient(line, factor) * width + quotient(column, factor)];
  }
}

extern "C" __global__ void repeat_backward(const float* dy, float* dx, long long n,
                                           int width, int factor) {
  const long long wide = (long long)width * factor;
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long line = quotient(i, width), column = i - line * width;
    const float* block = dy + line * factor * wide + column * factor;
    float sum = 0.f;
    for (int row = 0; row < factor; ++row)
      for (int k = 0; k < factor; ++k) sum += block[row * wide + k];
    dx[i] = sum;
  }
}

extern "C" __global__ void nobody(int* owner, long long n) {
  for (long long i = first_index(); i < n; i += index_step()) owner[i] = -1;
}

// The last of the values with one place owns it: a maximum of whole numbers, the same
// in whatever order they come.
extern "C" __global__ void claim(const float* place, int* owner, long long n,
                                 long long values, long long places) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long plane = quotient(i, values);
    atomicMax(&owner[plane * places + (long long)place[i]], (int)(i - plane * values));
  }
}

extern "C" __global__ void unpool(const float* x, const int* owner, float* y,
                                  long long n, long long values, long long places) {
  for (long long i = first_index(); i < n; i += index_step())
    y[i] = owner[i] < 0 ? 0.f : x[quotient(i, places) * values + owner[i]];
}

extern "C" __global__ void unpool_backward(const float* dy, const float* place,
                                           float* dx, long long n, long long values,
                                           long long places) {
  for (long long i = first_index(); i < n; i += index_step())
    dx[i] = dy[quotient(i, values) * places + (long long)place[i]];
}
