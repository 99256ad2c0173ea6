// Tensor cores: the one place for their instructions. A fragment is what a lane of a
// warp holds of a small matrix; where its numbers stand is said in the PTX manual,
// "Matrix Fragments for mma.m16n8k8" and "mma.m16n8k16".
#pragma once

// 16 x 8 sums; the operands are words, of one tf32 number or of two halves.
struct MmaSums {
  float value[4];
};

#if defined(CUDA_HOST_EMULATION)

__device__ inline float tf32_of(float x) {
  unsigned bits = __float_as_uint(x);
  if ((bits & 0x7f800000u) == 0x7f800000u) return x;
  return __uint_as_float((bits + 0x1000u) & ~0x1fffu);
}

__device__ inline float halves_of(float low, float high) {
  _Float16 pair[2] = {static_cast<_Float16>(low), static_cast<_Float16>(high)};
  float word;
  std::memcpy(&word, pair, sizeof word);
  return word;
}

// The lanes of a warp put their words down, meet, and sum what is theirs.
template <class Number, int EACH>
__device__ CUH_NOSAN inline void emulated_mma(MmaSums& sums, const float* a,
                                              const float* b) {
  struct Words {
    float a[16][8], b[8][8];
  };
  auto& words = *reinterpret_cast<Words*>(cuh_warp_scratch(cuh_next_parity()));
  int group = cuh_lane() / 4, place = cuh_lane() % 4;
  for (int i = 0; i < 4; ++i) words.a[group + i % 2 * 8][place + i / 2 * 4] = a[i];
  for (int i = 0; i < 2; ++i) words.b[place + i * 4][group] = b[i];
  __syncwarp();
  for (int i = 0; i < 4; ++i)
    for (int k = 0; k < 8; ++k) {
      Number left[EACH], right[EACH];
      std::memcpy(left, &words.a[group + i / 2 * 8][k], sizeof left);
      std::memcpy(right, &words.b[k][place * 2 + i % 2], sizeof right);
      for (int e = 0; e < EACH; ++e)
        sums.value[i] += static_cast<float>(left[e]) * static_cast<float>(right[e]);
    }
}

__device__ inline void mma_tf32(MmaSums& sums, const float* a, const float* b) {
  emulated_mma<float, 1>(sums, a, b);
}

__device__ inline void mma_half(MmaSums& sums, const float* a, const float* b) {
  emulated_mma<_Float16, 2>(sums, a, b);
}

#else

// Rounded to the nearest tf32, ties away from zero.
__device__ __forceinline__ float tf32_of(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return __uint_as_float(bits);
}

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
