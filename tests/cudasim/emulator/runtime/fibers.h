// Fibers: stacks between which one thread of the host switches.
#pragma once

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace fibers {

constexpr size_t STACK = 128 << 10;

struct Fiber {
  char* stack = nullptr;  // its lowest address; below it lies a page that traps
  char* top = nullptr;
#if defined(__x86_64__)
  void* saved = nullptr;  // the stack pointer of a fiber that does not run
#else
  ucontext_t saved;
#endif

  bool holds(uintptr_t address) const {
    return address - (uintptr_t)stack < STACK;
  }
};

// A fiber that will start at `entry` when it is first switched to.
Fiber* acquire(void (*entry)());
// Its stack may be given to another: never call it for the fiber that goes on running.
void release(Fiber* fiber);

void switch_to(Fiber* from, Fiber* to);

}  // namespace fibers
