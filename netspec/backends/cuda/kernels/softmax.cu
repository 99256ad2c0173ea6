// Softmax, its loss and the accuracy, over (outer, classes, inner); see
// reference/softmax.py.  Where inner is 1 a row of threads has a place, else a thread.
#include "limits.cuh"
#include "sums.cuh"

// The number of this row of threads among all of the grid's.
__device__ inline long long own_row() {
  return (long long)blockIdx.x * blockDim.y + threadIdx.y;
}

extern "C" __global__ void softmax_rows(const float* x, float* y, long long rows,
                                        int classes) {
  const long long row = own_row();
  if (row >= rows) return;  // a whole warp, or none of the block
  x += row * classes;
  y += row * classes;
  float most = -INFINITE;
  for (int k = threadIdx.x; k < classes; k += blockDim.x)
    most = x[k] > most || x[k] != x[k] ? x[k] : most;
  most = row_max(most);
  float total = 0.f;
  for (int k = threadIdx.x; k < classes; k += blockDim.x) {
    y[k] = expf(x[k] - most);
    total += y[k];
  }
  total = row_sum(total);
  for (int k = threadIdx.x; k < classes; k += blockDim.x) y[k] /= total;
}

extern "C" __global__ void softmax_places(const float* x, float* y, long long places,
                                          int classes, long long inner) {
  for (long long p = first_index(); p < places; p += index_step()) {
    const long long o = quotient(p, inner), at = o * classes * inner + p - o * inner;
    float most = x[at], total = 0.f;
    for (int k = 1; k < classes; ++k) {
      const float v = x[at + k * inner];
      most = v > most || v != v ? v : most;
    }
    for (int k = 0; k < classes; ++k) {
      const float v = expf(x[at + k * inner] - most);
      y[at + k * inner] = v;
      total += v;
    }
    for (int k = 0; k < classes; ++k) y[at + k * inner] /= total;
  }
}

extern "C" __global__ void softmax_rows_backward(const float* y, const float* dy,
                                                 float* dx, long long rows,
                                                 int classes) {
  const long long row = own_row();
  if (row >= rows) return;
  const long long at = row * classes;
  float along = 0.f;
  for (int k = threadIdx.x; k < classes; k += blockDim.x)
    along += dy[at + k] * y[at + k];
  along = row_sum(along);
  for (int k = threadIdx.x; k < classes; k += blockDim.x)
    dx[at + k] = (dy[at + k] - along) * y[at + k];
}

extern "C" __global__ void softmax_places_backward(const float* y, const float* dy,
                                                   float* dx, long long places,
                                                   int classes, long long inner) {
  for (long long p = first_index(); p < places; p += index_step()) {
    const long long o = quotient(p, inner), at = o * classes * inner + p - o * inner;
    float along = 0.f;
    for (int k = 0; k < classes; ++k) along += dy[at + k * inner] * y[at + k * inner];
    for (int k = 0; k < classes; ++k)
      dx[at + k * inner] = (dy[at + k * inner] - along) * y[at + k * inner];
  }
}

// Whether a label, cut to a whole number, is that to be ignored.
__device__ inline bool ignored(float label, int ignores, float ignore) {
  return ignores && truncf(label) == ignore;
}

// How many labels count; one block.
extern "C" __global__ void count_labels(const float* labels, float* counted,
                                        long long places, float ignore) {
  long long found = 0;
  for (long long p = threadIdx.x; p < places; p += blockDim.x)
    found += !ignored(labels[p], 1, ignore);
  found = row_sum(found);
  if (threadIdx.x == 0) counted[0] = (float)found;
}

// Position of the first label that is neither a class nor ignored, or -1; one block.
extern "C" __global__ void first_bad(const float* labels, long long* found,
                                     long long places, float classes, int ignores,
                                     float ignore) {
  long long at = places;
  for (long long p = threadIdx.x; p < places && at == places; p += blockDim.x) {
    const float label = labels[p];
    const bool good =
        (label > -1.f && label < classes) || ignored(label, ignores, ignore);
    if (!good) at = p;
  }
  at = row_join(at, [](long long a, long long b) { return a < b ? a : b; });
  if (threadIdx.x == 0) found[0] = at == places ? -1 : at;
}

// Not fmaxf, which would take a NaN for the smaller one.
__device__ inline float cost(float prob) {
  return -logf(prob < SMALLEST_NORMAL ? SMALLEST_NORMAL : prob);
}

// Sums of the places' losses: those of blocks (1, parts).
extern "C" __global__ void losses(const float* prob, const float* labels,
                                  double* partial, long long places, int classes,
                                  long long inner, int ignores, float ignore,
                                  float smoothing) {
  double total = 0;
  for (long long p = blockIdx.y * (long long)blockDim.x + threadIdx.x; p < places;
       p += (long long)gridDim.y * blockDim.x) {
    if (ignored(labels[p], ignores, ignore)) continue;
    const long long o = quotient(p, inner);
    const float* own = prob + o * classes * inner + p - o * inner;
    float loss = cost(own[(int)labels[p] * inner]);
    if (smoothing != 0.f) {
      float every = 0.f;
      for (int k = 0; k < classes; ++k) every += cost(own[k * inner]);
      loss = (1.f - smoothing) * loss + smoothing * (every / classes);
    }
    total += loss;
  }
  keep_part(total, partial, 1);
}

// dx = (prob - target) dloss / divisor; a divisor of 0 is what was counted, at least 1.
extern "C" __global__ void losses_backward(const float* prob, const float* labels,
                                           const float* dloss, const float* counted,
                                           float* dx, long long n, int classes,
                                           long long inner, int ignores, float ignore,
                                           float smoothing, float divisor) {
  const float by = divisor != 0.f ? divisor : counted[0] > 1.f ? counted[0] : 1.f;
  const float factor = dloss[0] / by, share = smoothing / classes;
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long plane = quotient(i, inner), o = quotient(plane, classes);
    const float label = labels[o * inner + i - plane * inner];
    const int k = (int)(plane - o * classes);
    const float target = share + (k == (int)label ? 1.f - smoothing : 0.f);
    dx[i] =
        ignored(label, ignores, ignore) ? 0.f * prob[i] : (prob[i] - target) * factor;
  }
}

// hits[place]: 1 where the label is among the top_k, 0 where not, -1 where ignored.
extern "C" __global__ void rank_labels(const float* x, const float* labels, int* hits,
                                       long long places, int classes, long long inner,
                                       int top_k, int ignores, float ignore) {
  const long long p = own_row();
  if (p >= places) return;
  const bool skipped = ignored(labels[p], ignores, ignore);
  const long long o = quotient(p, inner);
  const float* scores = x + o * classes * inner + p - o * inner;
  const float own = scores[skipped ? 0 : (int)labels[p] * inner];
  int better = 0;
  for (int k = threadIdx.x; k < classes; k += blockDim.x)
    better += !(scores[k * inner] < own);
  better = row_sum(better) - 1;
  if (threadIdx.x == 0) hits[p] = skipped ? -1 : better < top_k;
}

// y = hits / places that count / shards; one block.
extern "C" __global__ void hit_share(const int* hits, float* y, long long places,
                                     float shards) {
  long long right = 0, counted = 0;
  for (long long p = threadIdx.x; p < places; p += blockDim.x) {
    right += hits[p] == 1;
    counted += hits[p] >= 0;
  }
  right = row_sum(right);
  counted = row_sum(counted);
  if (threadIdx.x == 0)
    y[0] = (float)((double)right / ((double)(counted > 1 ? counted : 1) * shards));
}

// share[class]: a block for each.
extern "C" __global__ void class_shares(const int* hits, const float* labels,
                                        float* share, long long places) {
  const int own = blockIdx.x;
  long long right = 0, seen = 0;
  for (long long p = threadIdx.x; p < places; p += blockDim.x) {
    const bool at = hits[p] >= 0 && (int)labels[p] == own;
    seen += at;
    right += at && hits[p] == 1;
  }
  right = row_sum(right);
  seen = row_sum(seen);
  if (threadIdx.x == 0)
    share[own] = (float)((double)right / (double)(seen > 1 ? seen : 1));
}
