// Tensor cores: the one place for their instructions. A fragment is what a lane of a
// warp holds of a small matrix; where its numbers stand is said in the PTX manual,
// "Matrix Fragments for mma.m16n8k8" and "mma.m16n8k16".
#pragma once

// 16 x 8 sums; the operands are words, of one tf32 number or of two halves.
struct MmaSums {
  float value[4];
};

// To the nearest tf32, ties away from zero, once the instruction has dropped the bits
// that tf32 has not. Infinities and NaN stay what they are.
__device__ __forceinline__ float tf32_of(float x) {
  unsigned bits = __float_as_uint(x);
  if (fabsf(x) < __uint_as_float(0x7f800000u)) bits += 0x1000u;
  return __uint_as_float(bits);
}

#if defined(CUDA_HOST_EMULATION)

__device__ inline float halves_of(float low, float high) {
  _Float16 pair[2] = {static_cast<_Float16>(low), static_cast<_Float16>(high)};
  float word;
  __builtin_memcpy(&word, pair, sizeof word);
  return word;
}

#define NETSPEC_MMA(NAME, EMULATED)                                                   \
  __device__ inline void NAME(MmaSums& sums, const float* a, const float* b) {        \
    unsigned left[4], right[2];                                                       \
    for (int i = 0; i < 4; ++i) left[i] = __float_as_uint(a[i]);                      \
    for (int i = 0; i < 2; ++i) right[i] = __float_as_uint(b[i]);                     \
    EMULATED(sums.value, left, right);                                                \
  }
NETSPEC_MMA(mma_tf32, cuh_mma_m16n8k8_tf32)
NETSPEC_MMA(mma_half, cuh_mma_m16n8k16_f16)
#undef NETSPEC_MMA

#else

// Two numbers rounded to half, as one word; the first is its lower part.
__device__ __forceinline__ float halves_of(float low, float high) {
  unsigned bits;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return __uint_as_float(bits);
}

#define NETSPEC_MMA(NAME, SHAPE)                                                      \
  __device__ __forceinline__ void NAME(MmaSums& sums, const float* a,                 \
                                       const float* b) {                              \
    asm volatile("mma.sync.aligned." SHAPE                                            \
                 " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"   \
                 : "+f"(sums.value[0]), "+f"(sums.value[1]), "+f"(sums.value[2]),     \
                   "+f"(sums.value[3])                                                \
                 : "r"(__float_as_uint(a[0])), "r"(__float_as_uint(a[1])),            \
                   "r"(__float_as_uint(a[2])), "r"(__float_as_uint(a[3])),            \
                   "r"(__float_as_uint(b[0])), "r"(__float_as_uint(b[1])));           \
  }
NETSPEC_MMA(mma_tf32, "m16n8k8.row.col.f32.tf32.tf32.f32")
NETSPEC_MMA(mma_half, "m16n8k16.row.col.f32.f16.f16.f32")
#undef NETSPEC_MMA

#endif
