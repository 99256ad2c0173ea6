// Asynchronous copies into shared memory, under the names of <cuda_pipeline.h>.
#pragma once

// In line, so that the checker sees the kernel's own line.
#define CUH_INLINE inline __attribute__((always_inline))

CUH_INLINE void __pipeline_memcpy_async(
    void* to, const void* from, size_t bytes, size_t zeros = 0) {
  cuh_async_copy(to, from, bytes, zeros);
}
CUH_INLINE void __pipeline_commit() {
  cuh_async_commit();
}
CUH_INLINE void __pipeline_wait_prior(unsigned groups_left) {
  cuh_async_wait(groups_left);
}
