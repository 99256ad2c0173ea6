// Sums in one fixed tree: the order depends on the shape of the block alone.
#pragma once

const unsigned WARP = 32, ALL_LANES = 0xffffffffu;

// Joins the values of a warp's 32 lanes; every lane gets the result.
template <class T, class F>
__device__ inline T warp_join(T v, F join) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    v = join(v, __shfl_xor_sync(ALL_LANES, v, distance));
  return v;
}

// Joins the values of a row of threads: of all threads with one threadIdx.y.
//
// blockDim.x is 32, or a multiple of it up to 1024 in a block of one row.  All threads
// must come here, and get the result.  Joining must not care for the order of two.
template <class T, class F>
__device__ inline T row_join(T v, F join) {
  v = warp_join(v, join);
  if (blockDim.x == WARP) return v;
  __shared__ T part[WARP];
  const unsigned lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
  __syncthreads();  // the values before may still be read
  if (lane == 0) part[threadIdx.x / WARP] = v;
  __syncthreads();
  v = part[lane % warps];
  for (unsigned distance = warps / 2; distance > 0; distance /= 2)
    v = join(v, __shfl_xor_sync(ALL_LANES, v, distance));
  return v;
}

template <class T>
__device__ inline T row_sum(T v) {
  return row_join(v, [](T a, T b) { return a + b; });
}

__device__ inline float row_max(float v) {
  return row_join(v, [](float a, float b) { return a > b || a != a ? a : b; });
}
