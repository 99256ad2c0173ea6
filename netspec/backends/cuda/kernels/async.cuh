// Copies from global to shared memory that nobody waits for until wait_for_copies().
//
// What lies outside the source is set to zero, and its address never read.
#pragma once

#if defined(CUDA_HOST_EMULATION)

template <int BYTES>
__device__ __forceinline__ void copy_words(void* to, const void* from, bool inside) {
  __pipeline_memcpy_async(to, from, BYTES, inside ? 0 : BYTES);
}

__device__ __forceinline__ void wait_for_copies() {
  __pipeline_commit();
  __pipeline_wait_prior(0);
}

#elif __CUDA_ARCH__ >= 800

template <int BYTES>
__device__ __forceinline__ void copy_words(void* to, const void* from, bool inside) {
  unsigned target = static_cast<unsigned>(__cvta_generic_to_shared(to));
  // The first-level cache is passed by where whole 16 bytes are copied: weights are
  // read once by a block. Single words are neighbours of what was read before.
  if (BYTES == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target),
                 "l"(from), "r"(inside ? 16 : 0)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(target),
                 "l"(from), "n"(BYTES), "r"(inside ? BYTES : 0)
                 : "memory");
  }
}

__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_all;" ::: "memory");
}

#else  // before sm_80: at once, through registers

template <int BYTES>
__device__ __forceinline__ void copy_words(void* to, const void* from, bool inside) {
  if (BYTES == 16) {
    float4 zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    *static_cast<float4*>(to) = inside ? *static_cast<const float4*>(from) : zero;
  } else {
    for (int i = 0; i < BYTES / 4; ++i)
      static_cast<float*>(to)[i] = inside ? static_cast<const float*>(from)[i] : 0.0f;
  }
}

__device__ __forceinline__ void wait_for_copies() {}

#endif

// from + count * step, by one instruction: left alone, the compiler takes addresses
// apart, and puts them together again by four for each copy.
__device__ __forceinline__ const float* ahead(const float* from, int count,
                                              int step = 1) {
#if defined(CUDA_HOST_EMULATION)
  return from + static_cast<long long>(count) * step;
#else
  long long bytes;
  int size = step * static_cast<int>(sizeof(float));
  asm("mul.wide.s32 %0, %1, %2;" : "=l"(bytes) : "r"(count), "r"(size));
  return reinterpret_cast<const float*>(reinterpret_cast<const char*>(from) + bytes);
#endif
}

// A word, or zero where it lies outside; *valid* is any address that can be read.
__device__ __forceinline__ float word_or_zero(const float* from, bool inside,
                                              const float* valid) {
#if defined(CUDA_HOST_EMULATION)
  // By one instruction of all lanes, so that they are counted as one request.
  const float* at = inside ? from : valid;
  asm volatile("" : "+r"(at));
  float word = *at;
  asm volatile("" : "+x"(word));
  return inside ? word : 0.0f;
#else
  return inside ? __ldg(from) : 0.0f;
#endif
}
