// Convolution in float32: outputs, and gradients of inputs.
#include "weight_gradient.cuh"
#include "packing.cuh"

// y = weights * source, finished. Grid: tiles of columns, tiles of rows, groups.
extern "C" __global__ void __launch_bounds__(256, 2)
    convolve_fp32_128(const float* __restrict__ source,
                      const float* __restrict__ weights, const int* __restrict__ table,
                      const float* __restrict__ bias, const float* __restrict__ terms,
                      float* __restrict__ y, int flags) {
  convolve<PlainSums<128, 128>>(source, weights, table, bias, terms, y, flags);
}

extern "C" __global__ void __launch_bounds__(128, 3)
    convolve_fp32_64(const float* __restrict__ source,
                     const float* __restrict__ weights, const int* __restrict__ table,
                     const float* __restrict__ bias, const float* __restrict__ terms,
                     float* __restrict__ y, int flags) {
  convolve<PlainSums<64, 128>>(source, weights, table, bias, terms, y, flags);
}

extern "C" __global__ void pack_fp32(const float* __restrict__ w,
                                     const int* __restrict__ origins,
                                     float* __restrict__ packed, int rows, int row_step,
                                     int group_step) {
  pack<PlainSums<64, 128>>(w, origins, packed, rows, row_step, group_step);
}

// What Epilogue takes, of a bias, a normalisation and an affine map. What is not given
// by *flags* (1 bias, 2 mean and variance, 4 scale, 8 shift) is not read.
extern "C" __global__ void fold_terms(const float* __restrict__ bias,
                                      const float* __restrict__ mean,
                                      const float* __restrict__ variance,
                                      const float* __restrict__ scale,
                                      const float* __restrict__ shift, double eps,
                                      float* __restrict__ terms, int filters,
                                      int flags) {
  int f = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (f >= filters) return;
  double factor = flags & 4 ? scale[f] : 1.0, summand = flags & 1 ? bias[f] : 0.0;
  if (flags & 2) {
    factor /= sqrt(static_cast<double>(variance[f]) + eps);
    summand -= mean[f];
  }
  terms[f] = static_cast<float>(factor);
  terms[filters + f] =
      static_cast<float>(summand * factor + (flags & 8 ? shift[f] : 0.0));
}

// Parts of the weights' gradient. Grid: tiles of columns, of rows, groups of all parts.
extern "C" __global__ void __launch_bounds__(256, 2)
    correlate_fp32_128(const float* __restrict__ x, const float* __restrict__ dy,
                       const int* __restrict__ table, float* __restrict__ parts,
                       int elements, int groups, int slabs) {
  correlate<PlainSums<128, 128>>(x, dy, table, parts, elements, groups, slabs);
}

extern "C" __global__ void __launch_bounds__(128, 3)
    correlate_fp32_64(const float* __restrict__ x, const float* __restrict__ dy,
                      const int* __restrict__ table, float* __restrict__ parts,
                      int elements, int groups, int slabs) {
  correlate<PlainSums<64, 128>>(x, dy, table, parts, elements, groups, slabs);
}
