// The warp-wide matrix instructions.  A header of kernels that wraps their PTX has a
// branch `#ifdef CUDA_HOST_EMULATION` that calls these.  Who holds which element is
// told by the PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type",
// "... for mma.m16n8k8" and "ldmatrix".
#pragma once

struct CuhMma {
  float* sums;            // 4 of the lane's
  const unsigned* a;      // 4 registers
  const unsigned* b;      // 2 registers
};

CUH_MACHINE inline float cuh_half_of(unsigned pair, int which) {
  unsigned short bits = (unsigned short)(which ? pair >> 16 : pair);
  _Float16 half;
  __builtin_memcpy(&half, &bits, sizeof half);
  return (float)half;
}

// Adds A (16 × K) times B (K × 8) to the sums, which lie as both shapes' do.
template <int K>
CUH_MACHINE void cuh_mma_sums(
    void* const* lanes, const float (&a)[16][K], const float (&b)[K][8]) {
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) {
      int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      float& sum = ((CuhMma*)lanes[lane])->sums[i];
      float products = 0;
      for (int k = 0; k < K; ++k) products += a[row][k] * b[k][column];
      sum += products;
    }
}

CUH_MACHINE inline void cuh_mma_f16_lanes(void* const* lanes, unsigned) {
  float a[16][16], b[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    auto& own = *(CuhMma*)lanes[lane];
    int group = lane / 4, member = lane % 4;
    for (int i = 0; i < 8; ++i) {
      int row = group + i / 2 % 2 * 8, column = member * 2 + i % 2 + i / 4 * 8;
      a[row][column] = cuh_half_of(own.a[i / 2], i % 2);
    }
    for (int i = 0; i < 4; ++i)
      b[member * 2 + i % 2 + i / 2 * 8][group] = cuh_half_of(own.b[i / 2], i % 2);
  }
  cuh_mma_sums(lanes, a, b);
}

// The tensor cores read the upper 19 bits of a float.
CUH_MACHINE inline float cuh_tf32_of(unsigned bits) {
  bits &= ~0x1fffu;
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

CUH_MACHINE inline void cuh_mma_tf32_lanes(void* const* lanes, unsigned) {
  float a[16][8], b[8][8];
  for (int lane = 0; lane < 32; ++lane) {
    auto& own = *(CuhMma*)lanes[lane];
    int group = lane / 4, member = lane % 4;
    for (int i = 0; i < 4; ++i)
      a[group + i % 2 * 8][member + i / 2 * 4] = cuh_tf32_of(own.a[i]);
    for (int i = 0; i < 2; ++i) b[member + i * 4][group] = cuh_tf32_of(own.b[i]);
  }
  cuh_mma_sums(lanes, a, b);
}

// mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32, sums in place.
CUH_MACHINE inline void cuh_mma_m16n8k16_f16(
    float* sums, const unsigned* a, const unsigned* b) {
  CuhMma lane{sums, a, b};
  cuh_collective(~0u, cuh_mma_f16_lanes, &lane);
}

// mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32, sums in place.
CUH_MACHINE inline void cuh_mma_m16n8k8_tf32(
    float* sums, const unsigned* a, const unsigned* b) {
  CuhMma lane{sums, a, b};
  cuh_collective(~0u, cuh_mma_tf32_lanes, &lane);
}

// cvt.rna.tf32.f32: to the nearest, ties away from zero.
CUH_MACHINE inline unsigned cuh_round_to_tf32(float x) {
  unsigned bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  bool is_finite = (bits & 0x7f800000u) != 0x7f800000u;
  return is_finite ? (bits + 0x1000u) & ~0x1fffu : bits;
}

struct CuhLdmatrix {
  unsigned row[4];     // the 16 bytes that the lane's address names
  unsigned* registers;
};

template <int MATRICES, bool TRANSPOSED>
CUH_MACHINE void cuh_ldmatrix_lanes(void* const* lanes, unsigned) {
  for (int lane = 0; lane < 32; ++lane)
    for (int m = 0; m < MATRICES; ++m) {
      unsigned short pair[2];
      for (int i = 0; i < 2; ++i) {
        int row = lane / 4, column = lane % 4 * 2 + i;
        if (TRANSPOSED) std::swap(row, column);
        auto words = (const unsigned short*)((CuhLdmatrix*)lanes[m * 8 + row])->row;
        pair[i] = words[column];
      }
      ((CuhLdmatrix*)lanes[lane])->registers[m] = pair[0] | (unsigned)pair[1] << 16;
    }
}

// ldmatrix.sync.aligned.m8n8.xN(.trans).shared.b16: lane 8 m + r names row r of matrix
// m.  In line, so that the checker sees the kernel's own line read it.
template <int MATRICES, bool TRANSPOSED>
inline __attribute__((always_inline)) void cuh_ldmatrix(
    unsigned* registers, const void* row) {
  CuhLdmatrix lane{{}, registers};
  if (cuh_lane() < 8 * MATRICES)
    *(cuh_16_bytes*)lane.row = *(const cuh_16_bytes*)row;
  cuh_collective(~0u, cuh_ldmatrix_lanes<MATRICES, TRANSPOSED>, &lane);
}
