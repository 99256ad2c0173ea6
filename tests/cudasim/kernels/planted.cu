#include <cuda_pipeline.h>

// Kernels with one fault each, and their correct twins (correct_*): the checker has to
// tell them apart.  Launched with one or two blocks of 64 threads.

extern "C" __global__ void write_beyond_array(float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i <= n) y[i] = 1.0f;
}

extern "C" __global__ void read_beyond_array(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i] + x[i + 1];
}

extern "C" __global__ void read_before_array(const float* x, float* y) {
  y[threadIdx.x] = x[(int)threadIdx.x - 1];
}

extern "C" __global__ void beyond_static_shared(float* y) {
  __shared__ float s[64];
  s[threadIdx.x + 1] = 1.0f;
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}

__device__ void put(float* at, float value) {
  *at = value;
}

extern "C" __global__ void pointer_beyond_shared(float* y) {
  __shared__ float s[64];
  put(s + threadIdx.x + 1000, 1.0f);
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}

extern "C" __global__ void beyond_dynamic_shared(float* y) {
  extern __shared__ float d[];
  d[threadIdx.x + 1] = 1.0f;
  __syncthreads();
  y[threadIdx.x] = d[threadIdx.x];
}

extern "C" __global__ void missing_barrier(float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  y[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}

extern "C" __global__ void correct_barrier(float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  __syncthreads();
  y[threadIdx.x] = s[blockDim.x - 1 - threadIdx.x];
}

// The second round writes what slower threads still read.
extern "C" __global__ void missing_second_barrier(float* y) {
  __shared__ float s[64];
  float sum = 0.0f;
  for (int round = 0; round < 2; ++round) {
    s[threadIdx.x] = round;
    __syncthreads();
    sum += s[63 - threadIdx.x];
  }
  y[threadIdx.x] = sum;
}

extern "C" __global__ void all_write_one_word(float* y) {
  __shared__ float s;
  s = 1.0f;
  __syncthreads();
  y[threadIdx.x] = s;
}

extern "C" __global__ void missing_syncwarp(float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  y[threadIdx.x] = s[threadIdx.x ^ 1];
}

extern "C" __global__ void correct_syncwarp(float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  __syncwarp();
  y[threadIdx.x] = s[threadIdx.x ^ 1];
}

// A shuffle orders no memory.
extern "C" __global__ void shuffle_as_syncwarp(float* y) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  float v = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  y[threadIdx.x] = v + s[threadIdx.x ^ 1];
}

// Neighbours in one word of shared memory.
extern "C" __global__ void missing_barrier_of_halves(float* y) {
  __shared__ unsigned short s[64];
  s[threadIdx.x] = threadIdx.x;
  y[threadIdx.x] = s[63 - threadIdx.x];
}

extern "C" __global__ void correct_bytes(unsigned char* y) {
  y[threadIdx.x] = threadIdx.x;
}

extern "C" __global__ void sum_without_atomics(float* y, float* total) {
  total[0] += 1.0f;
  y[threadIdx.x] = 0.0f;
}

extern "C" __global__ void correct_atomics(float* y, int* total) {
  atomicAdd(total, 1);
  y[blockIdx.x * blockDim.x + threadIdx.x] = 0.0f;
}

extern "C" __global__ void atomic_and_plain(float* y, int* total) {
  atomicAdd(total, 1);
  y[threadIdx.x] = total[0];
}

extern "C" __global__ void blocks_write_one_element(float* y) {
  y[threadIdx.x] = blockIdx.x;
}

extern "C" __global__ void block_reads_of_another(float* y) {
  if (blockIdx.x == 0) y[threadIdx.x] = 1.0f;
  else y[64 + threadIdx.x] = y[threadIdx.x];
}

extern "C" __global__ void unwritten_shared(float* y) {
  __shared__ float s[64];
  if (threadIdx.x < 32) s[threadIdx.x] = 1.0f;
  __syncthreads();
  y[threadIdx.x] = s[threadIdx.x];
}

extern "C" __global__ void shared_of_block_before(float* y) {
  __shared__ float s[64];
  if (blockIdx.x == 0) s[threadIdx.x] = 1.0f;
  __syncthreads();
  y[blockIdx.x * 64 + threadIdx.x] = s[threadIdx.x];
}

extern "C" __global__ void divergent_barriers(float* y) {
  if (threadIdx.x < 32) {
    __syncthreads();
  } else {
    y[threadIdx.x] = 1.0f;
    __syncthreads();
  }
}

extern "C" __global__ void barrier_after_return(float* y, int n) {
  if (threadIdx.x >= n) return;
  y[threadIdx.x] = 1.0f;
  __syncthreads();
}

extern "C" __global__ void shuffle_with_absent_lanes(float* y) {
  float v = threadIdx.x;
  if (threadIdx.x < 16) v = __shfl_down_sync(0xffffffffu, v, 1);
  else __syncthreads();
  y[threadIdx.x] = v;
}

extern "C" __global__ void lane_outside_its_mask(float* y) {
  y[threadIdx.x] = __shfl_sync(0x0000ffffu, (float)threadIdx.x, 0);
}

extern "C" __global__ void different_primitives(float* y) {
  float v = threadIdx.x;
  if (threadIdx.x % 2) v = __shfl_xor_sync(0xffffffffu, v, 1);
  else v = __any_sync(0xffffffffu, 1);
  y[threadIdx.x] = v;
}

extern "C" __global__ void correct_shuffle(float* y) {
  float v = threadIdx.x;
  for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  y[threadIdx.x] = v + __popc(__ballot_sync(0xffffffffu, threadIdx.x % 2));
}

extern "C" __global__ void correct_votes(float* y) {
  int t = threadIdx.x;
  int count = __syncthreads_count(t % 3 == 0);
  y[t] = count + 100 * __syncthreads_and(t >= 0) + 1000 * __syncthreads_or(t == 5) +
         10000 * __syncthreads_and(t > 0);
}

extern "C" __global__ void misaligned_vector(const float* x, float* y) {
  float4 v = *(const float4*)(x + 1 + threadIdx.x * 4);
  y[threadIdx.x] = v.x + v.w;
}

extern "C" __global__ void correct_vector(const float* x, float* y) {
  float4 v = *(const float4*)(x + threadIdx.x * 4);
  y[threadIdx.x] = v.x + v.w;
}

// Copies in two stages; WAITED is how many groups may still be on their way.
template <int WAITED>
__device__ void copy_and_read(const float* x, float* y) {
  __shared__ float s[2][64];
  int t = threadIdx.x;
  for (int stage = 0; stage < 2; ++stage) {
    __pipeline_memcpy_async(&s[stage][t], x + stage * 64 + t, 4);
    __pipeline_commit();
  }
  __pipeline_wait_prior(WAITED);
  __syncthreads();
  y[t] = s[0][63 - t] + s[1][63 - t];
}

extern "C" __global__ void copy_without_wait(const float* x, float* y) {
  copy_and_read<2>(x, y);
}

extern "C" __global__ void copy_with_short_wait(const float* x, float* y) {
  copy_and_read<1>(x, y);
}

extern "C" __global__ void correct_copy(const float* x, float* y) {
  copy_and_read<0>(x, y);
}

// Waits, but nobody tells the other threads.
extern "C" __global__ void copy_without_barrier(const float* x, float* y) {
  __shared__ float s[64];
  int t = threadIdx.x;
  __pipeline_memcpy_async(&s[t], x + t, 4);
  __pipeline_commit();
  __pipeline_wait_prior(0);
  y[t] = s[63 - t];
}

// The next copy starts into what slower threads still read.
extern "C" __global__ void copy_into_what_is_read(const float* x, float* y) {
  __shared__ float s[64];
  int t = threadIdx.x;
  float sum = 0.0f;
  for (int round = 0; round < 2; ++round) {
    __pipeline_memcpy_async(&s[t], x + round * 64 + t, 4);
    __pipeline_commit();
    if (round) __syncthreads();
    __pipeline_wait_prior(0);
    __syncthreads();
    sum += s[63 - t];
  }
  y[t] = sum;
}

extern "C" __global__ void failed_assertion(float* y) {
  assert(y[threadIdx.x] > 0.0f);
}

extern "C" __global__ void zero_divisor(int* y, int n) {
  y[threadIdx.x] = 7 / n;
}

__constant__ float TABLE[4] = {1.0f, 2.0f, 4.0f, 8.0f};

extern "C" __global__ void correct_table(float* y) {
  y[threadIdx.x] = TABLE[threadIdx.x % 4];
}

extern "C" __global__ void beyond_table(float* y) {
  y[threadIdx.x] = TABLE[threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(32) few_threads(float* y) {
  y[threadIdx.x] = 1.0f;
}

extern "C" __global__ void takes_restrict(const float* __restrict__ x, float* y) {
  y[threadIdx.x] = x[threadIdx.x];
}

extern "C" __global__ void takes_numbers(float* y, int n, float a, long long m) {
  y[threadIdx.x] = n + a + m;
}
