#include "fibers.h"

#include <new>
#include <sys/mman.h>
#include <vector>

#if defined(__x86_64__)
// Saves what a called function must keep, and the stack pointer; takes the other's.
extern "C" void cuh_switch_stacks(void** saved, void* next);
asm(R"(
.text
.globl cuh_switch_stacks
.hidden cuh_switch_stacks
.type cuh_switch_stacks,@function
cuh_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
#endif

namespace fibers {
namespace {

std::vector<Fiber*> spare;

Fiber* make() {
  constexpr size_t page = 4096;
  void* memory = mmap(nullptr, STACK + page, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page, PROT_NONE);
  // Tops at different offsets, or all stacks' first lines share one set of the cache.
  static unsigned colour;
  auto fiber = new Fiber;
  fiber->stack = (char*)memory + page;
  fiber->top = fiber->stack + STACK - colour++ * 448 % 8192;
  return fiber;
}

void prepare(Fiber* fiber, void (*entry)()) {
#if defined(__x86_64__)
  constexpr int registers = 6;
  void** top = (void**)((uintptr_t)fiber->top & ~(uintptr_t)63);
  *--top = nullptr;  // where entry would return to; keeps the stack aligned too
  *--top = (void*)entry;
  for (int i = 0; i < registers; ++i) *--top = nullptr;
  fiber->saved = top;
#else
  getcontext(&fiber->saved);
  fiber->saved.uc_stack.ss_sp = fiber->stack;
  fiber->saved.uc_stack.ss_size = STACK;
  fiber->saved.uc_link = nullptr;
  makecontext(&fiber->saved, entry, 0);
#endif
}

}  // namespace

Fiber* acquire(void (*entry)()) {
  Fiber* fiber = nullptr;
  if (spare.empty()) {
    fiber = make();
  } else {
    fiber = spare.back();
    spare.pop_back();
  }
  prepare(fiber, entry);
  return fiber;
}

void release(Fiber* fiber) {
  spare.push_back(fiber);
}

void switch_to(Fiber* from, Fiber* to) {
#if defined(__x86_64__)
  cuh_switch_stacks(&from->saved, to->saved);
#else
  swapcontext(&from->saved, &to->saved);
#endif
}

}  // namespace fibers
