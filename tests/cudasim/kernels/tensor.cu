// The tensor cores' instructions, each in its PTX and as the emulator has it.
#include <cuda_fp16.h>

#if defined(CUDA_HOST_EMULATION)

#define MMA(NAME, SHAPE, EMULATED)                                                    \
  __device__ void NAME(float* c, const unsigned* a, const unsigned* b) {              \
    EMULATED(c, a, b);                                                                \
  }
#define LDMATRIX(NAME, FORM, COUNT, TRANSPOSED)                                       \
  __device__ __forceinline__ void NAME(unsigned* r, const void* row) {                \
    cuh_ldmatrix<COUNT, TRANSPOSED>(r, row);                                          \
  }
#define COPY(to, from, read) cuh_async_copy(to, from, 16, 16 - (read))
#define COMMIT() cuh_async_commit()
#define WAIT(left) cuh_async_wait(left)
__device__ unsigned rounded(float x) {
  return cuh_round_to_tf32(x);
}

#else

#define MMA(NAME, SHAPE, EMULATED)                                                    \
  __device__ void NAME(float* c, const unsigned* a, const unsigned* b) {              \
    asm volatile("mma.sync.aligned." SHAPE                                            \
                 " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"   \
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                     \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1])); \
  }
#define LDMATRIX(NAME, FORM, COUNT, TRANSPOSED)                                       \
  __device__ __forceinline__ void NAME(unsigned* r, const void* row) {                \
    unsigned at = (unsigned)__cvta_generic_to_shared(row);                            \
    asm volatile("ldmatrix.sync.aligned.m8n8.x4" FORM                                 \
                 ".shared.b16 {%0, %1, %2, %3}, [%4];"                                \
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])                     \
                 : "r"(at)                                                            \
                 : "memory");                                                         \
  }
#define COPY(to, from, read)                                                          \
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(                 \
                   (unsigned)__cvta_generic_to_shared(to)),                           \
               "l"(from), "r"(read)                                                   \
               : "memory")
#define COMMIT() asm volatile("cp.async.commit_group;" ::: "memory")
#define WAIT(left) asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory")
__device__ unsigned rounded(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}

#endif

MMA(mma_f16, "m16n8k16.row.col.f32.f16.f16.f32", cuh_mma_m16n8k16_f16)
MMA(mma_tf32, "m16n8k8.row.col.f32.tf32.tf32.f32", cuh_mma_m16n8k8_tf32)
LDMATRIX(rows_of, "", 4, false)
LDMATRIX(columns_of, ".trans", 4, true)

// c (16 x 8) += a (16 x 16) times b (8 x 16, its columns one after another).
extern "C" __global__ void multiply_f16(const half* a, const half* b, float* c) {
  int group = threadIdx.x / 4, member = threadIdx.x % 4;
  const unsigned* left = (const unsigned*)a;
  const unsigned* right = (const unsigned*)b;
  unsigned x[4], y[2];
  for (int i = 0; i < 4; ++i) x[i] = left[(group + i % 2 * 8) * 8 + member + i / 2 * 4];
  for (int i = 0; i < 2; ++i) y[i] = right[group * 8 + member + i * 4];
  float sums[4];
  for (int i = 0; i < 4; ++i) sums[i] = c[(group + i / 2 * 8) * 8 + member * 2 + i % 2];
  mma_f16(sums, x, y);
  for (int i = 0; i < 4; ++i) c[(group + i / 2 * 8) * 8 + member * 2 + i % 2] = sums[i];
}

// c (16 x 8) += a (16 x 8) times b (8 x 8, its columns one after another), as TF32.
extern "C" __global__ void multiply_tf32(const float* a, const float* b, float* c) {
  int group = threadIdx.x / 4, member = threadIdx.x % 4;
  unsigned x[4], y[2];
  for (int i = 0; i < 4; ++i)
    x[i] = rounded(a[(group + i % 2 * 8) * 8 + member + i / 2 * 4]);
  for (int i = 0; i < 2; ++i) y[i] = rounded(b[group * 8 + member + i * 4]);
  float sums[4];
  for (int i = 0; i < 4; ++i) sums[i] = c[(group + i / 2 * 8) * 8 + member * 2 + i % 2];
  mma_tf32(sums, x, y);
  for (int i = 0; i < 4; ++i) c[(group + i / 2 * 8) * 8 + member * 2 + i % 2] = sums[i];
}

// Four matrices of 8 x 8 halves, as rows and as columns: four words a lane each.
extern "C" __global__ void load_matrices(const half* x, unsigned* rows, unsigned* columns) {
  __shared__ __align__(16) half s[32 * 8];
  for (int i = threadIdx.x; i < 256; i += 32) s[i] = x[i];
  __syncthreads();
  unsigned r[4], c[4];
  rows_of(r, s + threadIdx.x * 8);
  columns_of(c, s + threadIdx.x * 8);
  for (int i = 0; i < 4; ++i) {
    rows[threadIdx.x * 4 + i] = r[i];
    columns[threadIdx.x * 4 + i] = c[i];
  }
}

// Two groups of copies of 16 bytes, of which the last READ bytes are zero.
extern "C" __global__ void copy_in_groups(const float* x, float* y, int read) {
  __shared__ __align__(16) float s[2][128];
  int t = threadIdx.x * 4;
  COPY(&s[0][t], x + t, 16);
  COMMIT();
  COPY(&s[1][t], x + 128 + t, read);
  COMMIT();
  WAIT(1);
  __syncthreads();
  for (int i = 0; i < 4; ++i) y[t + i] = s[0][127 - t - i];
  WAIT(0);
  __syncthreads();
  for (int i = 0; i < 4; ++i) y[128 + t + i] = s[1][127 - t - i];
}
