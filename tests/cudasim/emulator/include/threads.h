// Barriers of a block, and fences.
#pragma once

#define __syncthreads() ((void)cuh_barrier(CUH_SITE, CUH_NO_VOTE, 0))
#define __syncthreads_count(p) cuh_barrier(CUH_SITE, CUH_COUNT, (p) != 0)
#define __syncthreads_and(p) cuh_barrier(CUH_SITE, CUH_AND, (p) != 0)
#define __syncthreads_or(p) cuh_barrier(CUH_SITE, CUH_OR, (p) != 0)

// Memory is in order here; the checker does not take a fence for a barrier either.
inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}
