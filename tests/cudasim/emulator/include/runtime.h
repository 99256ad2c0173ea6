// What the emulated machine offers to a kernel; runtime/*.cpp implements it.
#pragma once

#include <cstddef>
#include <cstdint>

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

extern "C" {

// Work that a warp does together: called once, when all lanes of a mask have arrived,
// with what each of them handed over (null for lanes outside the mask).
typedef void (*CuhCollective)(void* const* lanes, unsigned mask);

enum CuhVote { CUH_NO_VOTE, CUH_COUNT, CUH_AND, CUH_OR };

// __syncthreads and its voting forms.  `site` is the source line: threads of a block
// that wait at different lines are an error.
int cuh_barrier(const char* site, CuhVote vote, int predicate);

void cuh_warp_barrier(unsigned mask);
void cuh_collective(unsigned mask, CuhCollective work, void* lane);
unsigned cuh_lane();
unsigned cuh_active_mask();

void* cuh_dynamic_shared();

// Asynchronous copies land at the wait and no earlier, so that a missing wait shows.
// The last `zeros` of `bytes` are not read but cleared.
void cuh_async_copy(void* to, const void* from, size_t bytes, size_t zeros);
void cuh_async_commit();
void cuh_async_wait(unsigned groups_left);

// Tell the checker of an access that the compiler's call-outs do not see.
void cuh_note_atomic(const void* at, unsigned bytes, const void* pc);
void cuh_note_range(const void* at, size_t bytes, int is_write, const void* pc);

[[noreturn]] void cuh_trap(const char* what, const char* file, int line);

struct CuhLaunch {
  unsigned grid[3], block[3];
  size_t shared;  // bytes of dynamic shared memory
};

// Runs a whole grid: `body(context)` once for each thread.  0: no error.
int cuh_run(void (*body)(void*), void* context, const CuhLaunch* launch);
}
