// What a profiler would count: how well the lanes' addresses of one instruction fit the
// 32-byte sectors of global memory and the 32 banks of shared memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace statistics {

void reset();
// Of no bytes: an execution that reads nothing, as the others of its warp may.
void count(unsigned thread, uintptr_t at, size_t bytes, bool is_write, bool is_shared,
           uintptr_t pc);
void end_block();

// A line for each instruction: its address, space, ld or st, bytes a lane, requests,
// lanes, sectors and ideal sectors, wavefronts and ideal wavefronts; totals.
std::string table(uintptr_t module_begin);

}  // namespace statistics
