// Boxes from their codes; see reference/boxes.py.
#include "limits.cuh"
#include "map.cuh"
#include "reduce.cuh"

// code (N, P, L, 4), priors (2, P, 4), boxes (N, L, P, 4); a thread a box.
// kind: 0 corners, 1 centre and size, 2 corners by size.
extern "C" __global__ void decode_boxes(const float* code, const float* priors,
                                        float* boxes, long long count, int labels,
                                        long long number, int kind, int encoded) {
  for (long long i = first_index(); i < count; i += index_step()) {
    const long long row = quotient(i, number), p = i - row * number;
    const long long image = quotient(row, labels), label = row - image * labels;
    const float* own = code + ((image * number + p) * labels + label) * 4;
    const float* prior = priors + p * 4;
    const float* variance = priors + (number + p) * 4;
    float c[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) c[k] = encoded ? own[k] : own[k] * variance[k];
    float* box = boxes + i * 4;
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const float low = prior[k], high = prior[k + 2], size = high - low;
      const float by = kind == 2 ? size : 1.f;
      const float centre = c[k] * size + (low + high) / 2.f;
      const float half = expf(c[k + 2]) * size / 2.f;
      box[k] = kind == 1 ? centre - half : low + c[k] * by;
      box[k + 2] = kind == 1 ? centre + half : high + c[k + 2] * by;
    }
  }
}

// The loss of each place's scores, for a row of threads: of their softmax at the label,
// or, logistic, of all their sigmoids, of which the label's should be 1.
extern "C" __global__ void class_losses(const float* x, const float* labels,
                                        float* losses, long long places, int classes,
                                        long long inner, int logistic) {
  const long long p = (long long)blockIdx.x * blockDim.y + threadIdx.y;
  if (p >= places) return;
  const long long o = quotient(p, inner);
  const float* scores = x + o * classes * inner + p - o * inner;
  const int label = (int)labels[p];
  const float own = label < classes ? scores[label * inner] : 0.f;
  float most = -INFINITE, total = 0.f;
  for (int k = threadIdx.x; k < classes; k += blockDim.x) {
    const float v = scores[k * inner];
    if (logistic) total += fmaxf(v, 0.f) + log1pf(expf(-fabsf(v)));
    most = v > most || v != v ? v : most;
  }
  if (!logistic) {
    most = row_max(most);
    for (int k = threadIdx.x; k < classes; k += blockDim.x)
      total += expf(scores[k * inner] - most);
  }
  total = row_sum(total);
  const float prob = expf(own - most) / total;
  const float kept = prob < SMALLEST_NORMAL ? SMALLEST_NORMAL : prob;  // NaN stays
  if (threadIdx.x == 0) losses[p] = logistic ? total - own : -logf(kept);
}
