// Asynchronous copies into shared memory.
#include <cstring>

#include "checker.h"
#include "machine.h"

using checker::access;
using machine::the;

namespace {

void land(const machine::Copy& copy) {
  auto pc = (uintptr_t)copy.pc;
  size_t read = copy.bytes - copy.zeros;
  access((uintptr_t)copy.from, read, checker::READ, pc);
  access((uintptr_t)copy.to, copy.bytes, checker::WRITE, pc);
  std::memcpy(copy.to, copy.from, read);
  std::memset((char*)copy.to + read, 0, copy.zeros);
}

}  // namespace

extern "C" {

// The device may write from here on: so the checker takes this for a write already,
// which nobody may read before the wait.
__attribute__((noinline)) void cuh_async_copy(
    void* to, const void* from, size_t bytes, size_t zeros) {
  const void* pc = __builtin_return_address(0);
  if (bytes != 4 && bytes != 8 && bytes != 16)
    machine::fail("an asynchronous copy takes 4, 8 or 16 bytes");
  if ((uintptr_t)to % bytes || (uintptr_t)from % bytes)
    machine::fail("an asynchronous copy is misaligned");
  access((uintptr_t)to, bytes, checker::WRITE | checker::ASYNC_ISSUE, (uintptr_t)pc);
  the.threads[the.current].copies.push_back({to, from, bytes, zeros, pc});
}

void cuh_async_commit() {
  auto& own = the.threads[the.current];
  own.commits.push_back(own.copies.size());
}

// Lands all groups but the last few; what was never committed stays on its way.
void cuh_async_wait(unsigned groups_left) {
  auto& own = the.threads[the.current];
  if (own.commits.size() <= groups_left) return;
  size_t groups = own.commits.size() - groups_left, count = own.commits[groups - 1];
  for (size_t i = 0; i < count; ++i) land(own.copies[i]);
  own.copies.erase(own.copies.begin(), own.copies.begin() + count);
  own.commits.erase(own.commits.begin(), own.commits.begin() + groups);
  for (size_t& commit : own.commits) commit -= count;
}
}
