// The functions that a compiler calls in code compiled with -fsanitize=thread and
// -fsanitize=alignment,bounds,integer-divide-by-zero, in place of the sanitizers' own.
#include "checker.h"
#include "machine.h"

using checker::access;
using checker::READ;
using checker::WRITE;

#define CALLER ((uintptr_t)__builtin_return_address(0))

#define ACCESSES(bytes)                            \
  void __tsan_read##bytes(void* at) {              \
    access((uintptr_t)at, bytes, READ, CALLER);    \
  }                                                \
  void __tsan_write##bytes(void* at) {             \
    access((uintptr_t)at, bytes, WRITE, CALLER);   \
  }                                                \
  void __tsan_unaligned_read##bytes(void* at) {    \
    access((uintptr_t)at, bytes, READ, CALLER);    \
  }                                                \
  void __tsan_unaligned_write##bytes(void* at) {   \
    access((uintptr_t)at, bytes, WRITE, CALLER);   \
  }

namespace {

// How the data that UBSan's handlers are given begin.
struct Place {
  const char* file;
  uint32_t line, column;
};

void report(const char* fault, const void* data) {
  auto place = (const Place*)data;
  checker::report_at(fault, place->file, place->line, place->column);
}

}  // namespace

extern "C" {

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(void* at, size_t bytes) {
  access((uintptr_t)at, bytes, READ, CALLER);
}
void __tsan_write_range(void* at, size_t bytes) {
  access((uintptr_t)at, bytes, WRITE, CALLER);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}

void __ubsan_handle_type_mismatch_v1(void* data, uintptr_t) {
  report("misaligned", data);
}
void __ubsan_handle_out_of_bounds(void* data, uintptr_t) {
  report("out of bounds", data);
  machine::fail("out of bounds");
}
void __ubsan_handle_divrem_overflow(void* data, uintptr_t, uintptr_t) {
  report("division by zero", data);
  machine::fail("division by zero");  // which a processor of the host would trap
}

void cuh_note_atomic(const void* at, unsigned bytes, const void* pc) {
  access((uintptr_t)at, bytes, WRITE | checker::ATOMIC, (uintptr_t)pc);
}
void cuh_note_range(const void* at, size_t bytes, int is_write, const void* pc) {
  access((uintptr_t)at, bytes, is_write ? WRITE : READ, (uintptr_t)pc);
}
}
