// Losses other than softmax's, each with its gradient; see reference/losses.py.
#include "sums.cuh"

#define LEAST 1e-20f  // no logarithm is taken of less

// Not fmaxf, which would take a NaN for the smaller one.
__device__ inline float no_less(float p) { return p < LEAST ? LEAST : p; }
#define EPSILON 1e-4  // added to the distance that a gradient is divided by

// Walks the places of blocks (1, parts).
template <class F>
__device__ inline void over_places(long long places, F f) {
  for (long long p = blockIdx.y * (long long)blockDim.x + threadIdx.x; p < places;
       p += (long long)gridDim.y * blockDim.x)
    f(p);
}

__device__ inline float divided(float dloss, const float* counted, float divisor) {
  return dloss / (divisor != 0.f ? divisor : counted[0] > 1.f ? counted[0] : 1.f);
}

__device__ inline bool ignored(float label, int ignores, float ignore) {
  return ignores && truncf(label) == ignore;
}

// squared[row]: the distance of two rows; a warp a row.
extern "C" __global__ void pair_distances(const float* a, const float* b,
                                          double* squared, long long rows,
                                          long long columns) {
  const long long row = (long long)blockIdx.x * blockDim.y + threadIdx.y;
  if (row >= rows) return;
  double total = 0;
  for (long long k = threadIdx.x; k < columns; k += blockDim.x) {
    const float difference = a[row * columns + k] - b[row * columns + k];
    total += (double)difference * difference;
  }
  total = row_sum(total);
  if (threadIdx.x == 0) squared[row] = total;
}

extern "C" __global__ void contrastive(const double* squared, const float* similar,
                                       double* partial, long long rows, double margin,
                                       int legacy) {
  double total = 0;
  over_places(rows, [&](long long row) {
    const double apart = legacy ? squared[row] : sqrt(squared[row]);
    const double gap = margin - apart < 0 ? 0 : margin - apart;
    const double others = legacy ? gap : gap * gap;
    total += truncf(similar[row]) != 0.f ? squared[row] : others;
  });
  keep_part(total, partial, 1);
}

extern "C" __global__ void contrastive_backward(
    const float* a, const float* b, const double* squared, const float* similar,
    const float* dloss, float* da, long long n, long long columns, double margin,
    int legacy, double factor) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long row = quotient(i, columns);
    const double apart = sqrt(squared[row]);
    const double gap = margin - apart < 0 ? 0 : margin - apart;
    double slope = 1;
    if (truncf(similar[row]) == 0.f)
      slope = legacy ? (margin > squared[row] ? -1 : 0) : -gap / (apart + EPSILON);
    da[i] = (a[i] - b[i]) * (float)(factor * dloss[0] * slope);
  }
}

// max(0, 1 - s x), s being 1 in the label's column and -1 elsewhere.
__device__ inline float margin_of(const float* x, const float* labels, long long i,
                                  int classes, float& sign) {
  const long long row = quotient(i, classes);
  sign = (int)labels[row] == (int)(i - row * classes) ? 1.f : -1.f;
  const float gap = 1.f - sign * x[i];
  return gap > 0.f || gap != gap ? gap : 0.f;
}

extern "C" __global__ void hinge(const float* x, const float* labels, double* partial,
                                 long long n, int classes, int squares) {
  double total = 0;
  over_places(n, [&](long long i) {
    float sign;
    const double gap = margin_of(x, labels, i, classes, sign);
    total += squares ? gap * gap : gap;
  });
  keep_part(total, partial, 1);
}

extern "C" __global__ void hinge_backward(const float* x, const float* labels,
                                          const float* dloss, float* dx, long long n,
                                          int classes, int squares, float factor) {
  const float share = factor * dloss[0];
  for (long long i = first_index(); i < n; i += index_step()) {
    float sign;
    const float gap = margin_of(x, labels, i, classes, sign);
    dx[i] = -sign * (squares ? 2.f * gap : gap > 0.f ? 1.f : gap) * share;
  }
}

extern "C" __global__ void log_losses(const float* p, const float* labels,
                                      double* partial, long long rows, int classes) {
  double total = 0;
  over_places(rows, [&](long long row) {
    const float own = p[row * classes + (int)labels[row]];
    total += log((double)(own > LEAST || own != own ? own : LEAST));
  });
  keep_part(total, partial, 1);
}

extern "C" __global__ void log_losses_backward(const float* p, const float* labels,
                                               const float* dloss, float* dp,
                                               long long n, int classes, float factor) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long row = quotient(i, classes);
    const bool at = (int)labels[row] == (int)(i - row * classes);
    dp[i] = at ? -factor * dloss[0] / no_less(p[i]) : 0.f;
  }
}

// -sum of gain[label, k] log(prob_k); a thread for each place.
extern "C" __global__ void infogain(const float* prob, const float* labels,
                                    const float* gain, double* partial,
                                    long long places, int classes, long long inner,
                                    int ignores, float ignore) {
  double total = 0;
  over_places(places, [&](long long p) {
    if (ignored(labels[p], ignores, ignore)) return;
    const long long o = quotient(p, inner);
    const float* own = prob + o * classes * inner + p - o * inner;
    const float* row = gain + (long long)labels[p] * classes;
    for (int k = 0; k < classes; ++k)
      total -= (double)(row[k] * logf(no_less(own[k * inner])));
  });
  keep_part(total, partial, 1);
}

// totals[row]: the sum of a row of the matrix; a warp a row.
extern "C" __global__ void gain_totals(const float* gain, float* totals, int classes) {
  const int row = blockIdx.x * blockDim.y + threadIdx.y;
  if (row >= classes) return;
  float total = 0.f;
  for (int k = threadIdx.x; k < classes; k += blockDim.x)
    total += gain[(long long)row * classes + k];
  total = row_sum(total);
  if (threadIdx.x == 0) totals[row] = total;
}

extern "C" __global__ void infogain_backward(const float* prob, const float* labels,
                                             const float* gain, const float* totals,
                                             const float* dloss, const float* counted,
                                             float* dx, long long n, int classes,
                                             long long inner, int ignores, float ignore,
                                             float divisor) {
  const float factor = divided(dloss[0], counted, divisor);
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long plane = quotient(i, inner), o = quotient(plane, classes);
    const float label = labels[o * inner + i - plane * inner];
    const bool skipped = ignored(label, ignores, ignore);
    const long long row = skipped ? 0 : (long long)label;
    const float own = gain[row * classes + plane - o * classes];
    dx[i] = skipped ? 0.f : (prob[i] * totals[row] - own) * factor;
  }
}

extern "C" __global__ void sigmoid_losses(const float* x, const float* targets,
                                          double* partial, long long n, int ignores,
                                          float ignore) {
  double total = 0;
  over_places(n, [&](long long i) {
    if (ignored(targets[i], ignores, ignore)) return;
    const float v = x[i], above = v >= 0.f ? 1.f : 0.f;
    total += v * (above - targets[i]) + log1pf(expf(-fabsf(v)));
  });
  keep_part(total, partial, 1);
}

extern "C" __global__ void sigmoid_losses_backward(const float* x, const float* targets,
                                                   const float* dloss,
                                                   const float* counted, float* dx,
                                                   long long n, int ignores,
                                                   float ignore, float divisor) {
  const float factor = divided(dloss[0], counted, divisor);
  for (long long i = first_index(); i < n; i += index_step()) {
    const float slope = 0.5f * tanhf(0.5f * x[i]) + 0.5f - targets[i];
    dx[i] = ignored(targets[i], ignores, ignore) ? 0.f : slope * factor;
  }
}
