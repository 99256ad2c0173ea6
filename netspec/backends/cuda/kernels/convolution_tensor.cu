// Convolution on tensor cores: as convolution.cu, but what is multiplied is rounded.
#include "tensor.cuh"
#include "weight_gradient.cuh"
#include "packing.cuh"

extern "C" __global__ void __launch_bounds__(128, 2)
    convolve_tf32_128(const float* __restrict__ source,
                      const float* __restrict__ weights, const int* __restrict__ table,
                      const float* __restrict__ bias, const float* __restrict__ terms,
                      float* __restrict__ y, int flags) {
  convolve<TensorSums<Packed<Tf32>, 128, 128>>(source, weights, table, bias, terms, y,
                                               flags);
}

extern "C" __global__ void __launch_bounds__(128, 3)
    convolve_tf32_64(const float* __restrict__ source,
                     const float* __restrict__ weights, const int* __restrict__ table,
                     const float* __restrict__ bias, const float* __restrict__ terms,
                     float* __restrict__ y, int flags) {
  convolve<TensorSums<Packed<Tf32>, 64, 128>>(source, weights, table, bias, terms, y,
                                              flags);
}

extern "C" __global__ void __launch_bounds__(128, 2)
    convolve_tf32_64_256(const float* __restrict__ source,
                         const float* __restrict__ weights,
                         const int* __restrict__ table, const float* __restrict__ bias,
                         const float* __restrict__ terms, float* __restrict__ y,
                         int flags) {
  convolve<TensorSums<Packed<Tf32>, 64, 256>>(source, weights, table, bias, terms, y,
                                              flags);
}

extern "C" __global__ void __launch_bounds__(128, 2)
    convolve_fp16_128(const float* __restrict__ source,
                      const float* __restrict__ weights, const int* __restrict__ table,
                      const float* __restrict__ bias, const float* __restrict__ terms,
                      float* __restrict__ y, int flags) {
  convolve<TensorSums<Packed<Half>, 128, 128>>(source, weights, table, bias, terms, y,
                                               flags);
}

extern "C" __global__ void __launch_bounds__(128, 3)
    convolve_fp16_64(const float* __restrict__ source,
                     const float* __restrict__ weights, const int* __restrict__ table,
                     const float* __restrict__ bias, const float* __restrict__ terms,
                     float* __restrict__ y, int flags) {
  convolve<TensorSums<Packed<Half>, 64, 128>>(source, weights, table, bias, terms, y,
                                              flags);
}

extern "C" __global__ void __launch_bounds__(128, 2)
    convolve_fp16_64_256(const float* __restrict__ source,
                         const float* __restrict__ weights,
                         const int* __restrict__ table, const float* __restrict__ bias,
                         const float* __restrict__ terms, float* __restrict__ y,
                         int flags) {
  convolve<TensorSums<Packed<Half>, 64, 256>>(source, weights, table, bias, terms, y,
                                              flags);
}

extern "C" __global__ void pack_tf32(const float* __restrict__ w,
                                     const int* __restrict__ origins,
                                     float* __restrict__ packed, int rows, int row_step,
                                     int group_step) {
  pack<TensorSums<Packed<Tf32>, 64, 128>>(w, origins, packed, rows, row_step,
                                          group_step);
}

extern "C" __global__ void pack_fp16(const float* __restrict__ w,
                                     const int* __restrict__ origins,
                                     float* __restrict__ packed, int rows, int row_step,
                                     int group_step) {
  pack<TensorSums<Packed<Half>, 64, 128>>(w, origins, packed, rows, row_step,
                                          group_step);
}

extern "C" __global__ void __launch_bounds__(128, 2)
    correlate_tf32_128(const float* __restrict__ x, const float* __restrict__ dy,
                       const int* __restrict__ table, float* __restrict__ parts,
                       int elements, int groups, int slabs) {
  correlate<TensorSums<Tf32, 128, 128>>(x, dy, table, parts, elements, groups, slabs);
}

extern "C" __global__ void __launch_bounds__(128, 3)
    correlate_tf32_64(const float* __restrict__ x, const float* __restrict__ dy,
                      const int* __restrict__ table, float* __restrict__ parts,
                      int elements, int groups, int slabs) {
  correlate<TensorSums<Tf32, 64, 128>>(x, dy, table, parts, elements, groups, slabs);
}

extern "C" __global__ void __launch_bounds__(128, 2)
    correlate_tf32_64_288(const float* __restrict__ x, const float* __restrict__ dy,
                          const int* __restrict__ table, float* __restrict__ parts,
                          int elements, int groups, int slabs) {
  correlate<TensorSums<Tf32, 64, 288>>(x, dy, table, parts, elements, groups, slabs);
}

extern "C" __global__ void __launch_bounds__(128, 2)
    correlate_fp16_128(const float* __restrict__ x, const float* __restrict__ dy,
                       const int* __restrict__ table, float* __restrict__ parts,
                       int elements, int groups, int slabs) {
  correlate<TensorSums<Half, 128, 128>>(x, dy, table, parts, elements, groups, slabs);
}

extern "C" __global__ void __launch_bounds__(128, 3)
    correlate_fp16_64(const float* __restrict__ x, const float* __restrict__ dy,
                      const int* __restrict__ table, float* __restrict__ parts,
                      int elements, int groups, int slabs) {
  correlate<TensorSums<Half, 64, 128>>(x, dy, table, parts, elements, groups, slabs);
}

extern "C" __global__ void __launch_bounds__(128, 2)
    correlate_fp16_64_192(const float* __restrict__ x, const float* __restrict__ dy,
                          const int* __restrict__ table, float* __restrict__ parts,
                          int elements, int groups, int slabs) {
  correlate<TensorSums<Half, 64, 192>>(x, dy, table, parts, elements, groups, slabs);
}
