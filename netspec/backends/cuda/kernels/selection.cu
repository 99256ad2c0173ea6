// Rows by index, copies and largest values; see reference/selection.py.
#include "map.cuh"
#include "reduce.cuh"

// y[m] = x[index[m]] (+ bias); an index beyond the rows counts as the nearest row.
template <class I>
__device__ inline void take(const float* x, const I* index, const float* bias, float* y,
                            long long n, long long columns, long long rows,
                            int has_bias) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long m = quotient(i, columns), k = i - m * columns;
    long long row = (long long)index[m];
    row = row < 0 ? 0 : row < rows ? row : rows - 1;
    const float v = x[row * columns + k];
    y[i] = has_bias ? v + bias[k] : v;
  }
}

// dx[r] += the sum of dy[m] over index[m] = r, in the order of m.  A block has an m: the
// first of its row takes in all others, as found by 32 comparisons at a time.
template <class I>
__device__ inline void add_in_order(const float* dy, const I* index, float* dx,
                                    long long count, long long columns) {
  const long long m = blockIdx.x, own = (long long)index[m];
  const unsigned lane = threadIdx.x % WARP;
  for (long long first = 0; first < m; first += WARP) {
    const long long i = first + lane;
    if (__any_sync(ALL_LANES, i < m && (long long)index[i] == own)) return;
  }
  dx += own * columns;
  for (long long start = 0; start < columns; start += blockDim.x) {
    const long long k = start + threadIdx.x;
    float sum = 0.f;
    for (long long first = m; first < count; first += WARP) {
      const long long i = first + lane;
      unsigned found =
          __ballot_sync(ALL_LANES, i < count && (long long)index[i] == own);
      for (; found != 0; found &= found - 1)
        if (k < columns) sum += dy[(first + __ffs((int)found) - 1) * columns + k];
    }
    if (k < columns) dx[k] += sum;
  }
}

extern "C" __global__ void take_rows_float32(const float* x, const float* index,
                                             const float* bias, float* y, long long n,
                                             long long columns, long long rows,
                                             int has_bias) {
  take(x, index, bias, y, n, columns, rows, has_bias);
}

extern "C" __global__ void take_rows_int32(const float* x, const int* index,
                                           const float* bias, float* y, long long n,
                                           long long columns, long long rows,
                                           int has_bias) {
  take(x, index, bias, y, n, columns, rows, has_bias);
}

extern "C" __global__ void take_rows_int64(const float* x, const long long* index,
                                           const float* bias, float* y, long long n,
                                           long long columns, long long rows,
                                           int has_bias) {
  take(x, index, bias, y, n, columns, rows, has_bias);
}

extern "C" __global__ void add_rows_float32(const float* dy, const float* index,
                                            float* dx, long long count,
                                            long long columns) {
  add_in_order(dy, index, dx, count, columns);
}

extern "C" __global__ void add_rows_int32(const float* dy, const int* index, float* dx,
                                          long long count, long long columns) {
  add_in_order(dy, index, dx, count, columns);
}

extern "C" __global__ void add_rows_int64(const float* dy, const long long* index,
                                          float* dx, long long count,
                                          long long columns) {
  add_in_order(dy, index, dx, count, columns);
}

// y (outer, tiles, columns)
extern "C" __global__ void tile(const float* x, float* y, long long n, long long tiles,
                                long long columns) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long row = quotient(i, columns);
    y[i] = x[quotient(row, tiles) * columns + i - row * columns];
  }
}

extern "C" __global__ void tile_backward(const float* dy, float* dx, long long n,
                                         long long tiles, long long columns) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long o = quotient(i, columns);
    const float* from = dy + o * tiles * columns + i - o * columns;
    float sum = from[0];
    for (long long t = 1; t < tiles; ++t) sum += from[t * columns];
    dx[i] = sum;
  }
}

// A number that is larger for the score that comes first: by value, what is no number
// before all, then by index.
__device__ inline unsigned long long rank_of(float score, int index) {
  const unsigned bits = __float_as_uint(score == 0.f ? 0.f : score);
  const unsigned value = score != score    ? 0xffffffffu
                         : bits >> 31 != 0 ? ~bits
                                           : bits | 0x80000000u;
  return (unsigned long long)value << 32 | (unsigned)index;
}

// The top largest of a row of threads' values, one after the other; index and values
// are (outer, top, inner).
extern "C" __global__ void largest(const float* x, float* index, float* values,
                                   long long places, int classes, long long inner,
                                   int top, int wants_index, int wants_values) {
  const long long p = (long long)blockIdx.x * blockDim.y + threadIdx.y;
  if (p >= places) return;
  const long long o = quotient(p, inner);
  const float* scores = x + o * classes * inner + p - o * inner;
  unsigned long long before = ~0ull;
  for (int t = 0; t < top; ++t) {
    unsigned long long best = 0;
    for (int k = threadIdx.x; k < classes; k += blockDim.x) {
      const unsigned long long rank = rank_of(scores[k * inner], k);
      if (rank < before && rank > best) best = rank;
    }
    best = row_join(
        best, [](unsigned long long a, unsigned long long b) { return a > b ? a : b; });
    before = best;
    const int k = (int)(best & 0xffffffffu);
    const long long at = (o * top + t) * inner + p - o * inner;
    if (threadIdx.x == 0 && wants_index) index[at] = (float)k;
    if (threadIdx.x == 0 && wants_values) values[at] = scores[k * inner];
  }
}
