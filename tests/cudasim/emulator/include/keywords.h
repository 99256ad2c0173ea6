// CUDA's keywords.
#pragma once

#define CUDA_HOST_EMULATION 1
#define __CUDACC_RTC__ 1
#define __CUDA_ARCH__ 900

#define __global__
#define __device__
#define __host__
#define __managed__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(n) __attribute__((aligned(n)))

// Blocks run one after another on one thread of the host, so they may share these.
#define __shared__ static
#define __constant__ static

// Parts of the machine itself: their accesses are none of the kernel's.
#define CUH_MACHINE __attribute__((no_sanitize("thread")))
// The same, for what must know the line of the kernel that called it.
#define CUH_CALL __attribute__((noinline, no_sanitize("thread")))
#define CUH_CALLER __builtin_return_address(0)

constexpr int warpSize = 32;

#define CUH_TEXT_(x) #x
#define CUH_TEXT(x) CUH_TEXT_(x)
#define CUH_SITE __FILE__ ":" CUH_TEXT(__LINE__)

#undef assert
#define assert(c) ((c) ? (void)0 : cuh_trap("assert(" #c ")", __FILE__, __LINE__))
#define __trap() cuh_trap("__trap()", __FILE__, __LINE__)
