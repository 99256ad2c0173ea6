// The emulated machine: one block at a time, its threads in an order of our choice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "../include/runtime.h"
#include "fibers.h"

namespace machine {

constexpr unsigned WARP = 32;

enum class State : uint8_t { FRESH, READY, AT_BARRIER, IN_WARP, DONE };

struct Copy {
  void* to;
  const void* from;
  size_t bytes, zeros;
  const void* pc;
};

// A thread of the block that runs.
struct Thread {
  State state;
  uint3 index;
  fibers::Fiber* fiber;
  // At a barrier of the block:
  const char* site;
  CuhVote vote;
  int predicate, outcome;
  // In something that its warp does together:
  unsigned mask;
  CuhCollective work;  // null: __syncwarp
  void* lane;
  uint32_t warp_epoch;  // how many __syncwarp it has passed
  std::vector<Copy> copies;     // asynchronous, not yet landed
  std::vector<size_t> commits;  // how many copies there were at each commit
};

enum Schedule { FORWARD, REVERSE, SHUFFLED };

struct Machine {
  std::vector<Thread> threads;
  unsigned current = 0;             // the thread that runs
  fibers::Fiber* fiber = nullptr;   // its fiber; null outside of kernels
  uint64_t block = 0;               // which of the grid
  uint32_t epoch = 0;               // how many barriers the block has passed
  uint64_t switches = 0, barriers = 0;
  unsigned char* shared = nullptr;  // dynamic shared memory
  size_t shared_bytes = 0;
  bool failed = false;
  std::string error;
};

extern Machine the;

// The launch ends with this error; called in a kernel it does not return.
void fail(const std::string& error);

}  // namespace machine
