// Rows brought to mean 0 and deviation 1, and the gradients of sums over rows (R, D);
// see reference/reduction.py.
#include "map.cuh"
#include "reduce.cuh"

__device__ inline long long own_row() {
  return (long long)blockIdx.x * blockDim.y + threadIdx.y;
}

// y[row] = factor times the sum of the terms: x (0), |x| (1) or x * x (2).
extern "C" __global__ void sum_rows(const float* x, float* y, long long rows,
                                    long long columns, int term, double factor) {
  const long long row = own_row();
  if (row >= rows) return;
  double total = 0;
  for (long long k = threadIdx.x; k < columns; k += blockDim.x) {
    const float v = x[row * columns + k];
    total += term == 0 ? v : term == 1 ? fabsf(v) : (double)v * v;
  }
  total = row_sum(total);
  if (threadIdx.x == 0) y[row] = (float)(factor * total);
}

extern "C" __global__ void share_out(const float* dy, float* dx, long long n,
                                     long long columns, float factor) {
  for (long long i = first_index(); i < n; i += index_step())
    dx[i] = factor * dy[quotient(i, columns)];
}

// The gradient of sums of |x|, or of squares.
extern "C" __global__ void share_terms(const float* x, const float* dy, float* dx,
                                       long long n, long long columns, float factor,
                                       int squares) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const float v = x[i], share = factor * dy[quotient(i, columns)];
    const float sign = v > 0.f ? 1.f : v < 0.f ? -1.f : v;
    dx[i] = squares ? v * (2.f * share) : sign * share;
  }
}

extern "C" __global__ void normalize_rows(const float* x, float* y, float* deviation,
                                          long long rows, long long columns,
                                          int divides, float eps) {
  const long long row = own_row(), at = row * columns;
  if (row >= rows) return;
  double total = 0, squares = 0;
  for (long long k = threadIdx.x; k < columns; k += blockDim.x) total += x[at + k];
  const float mean = (float)(row_sum(total) / (double)columns);
  float by = 1.f;
  if (divides) {
    for (long long k = threadIdx.x; k < columns; k += blockDim.x) {
      const float v = x[at + k] - mean;
      squares += (double)(v * v);
    }
    by = (float)(sqrt(row_sum(squares) / (double)columns) + eps);
    if (threadIdx.x == 0) deviation[row] = by;
  }
  for (long long k = threadIdx.x; k < columns; k += blockDim.x)
    y[at + k] = (x[at + k] - mean) / by;
}

extern "C" __global__ void normalize_rows_backward(const float* y,
                                                   const float* deviation,
                                                   const float* dy, float* dx,
                                                   long long rows, long long columns,
                                                   int divides) {
  const long long row = own_row(), at = row * columns;
  if (row >= rows) return;
  double slopes = 0, along = 0;
  for (long long k = threadIdx.x; k < columns; k += blockDim.x) {
    slopes += dy[at + k];
    if (divides) along += (double)(dy[at + k] * y[at + k]);
  }
  const float mean = (float)(row_sum(slopes) / (double)columns);
  const float tilt = (float)(row_sum(along) / (double)columns);
  for (long long k = threadIdx.x; k < columns; k += blockDim.x) {
    const float centred = dy[at + k] - mean;
    dx[at + k] = divides ? (centred - y[at + k] * tilt) / deviation[row] : centred;
  }
}
