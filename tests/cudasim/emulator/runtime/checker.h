// Watches every access of a kernel: bounds, alignment, races, values never written.
//
// The kernel was compiled with -fsanitize=thread, whose call-outs (callouts.cpp) bring
// every access here; the sanitizer's own runtime is never linked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace checker {

enum Mode { OFF = 0, CHECK = 1, COUNT = 2 };

// CONSTANT is the module's own: tables, which may be read.
enum Space { GLOBAL, SHARED, CONSTANT };

enum Kind : uint8_t { READ = 0, WRITE = 1, ATOMIC = 2, ASYNC_ISSUE = 4 };

// One access as remembered for a cell of memory.
struct Touch {
  uint32_t block = 0;  // its number plus one; 0: none
  uint32_t epoch = 0, warp_epoch = 0;
  uint16_t thread = 0;
  uint8_t bytes = 0;  // which bytes of the cell
  uint8_t kind = READ;
};

// What is remembered of a few neighbouring bytes.  Of readers three are enough: a
// writer that races with any reader of its epoch races with one of these (the last
// one, the one before of the same warp, and the last of another warp).
struct Cell {
  Touch writer, reader, neighbour, stranger;
};

// Memory that the kernel may use: an argument, a shared array, a table.
struct Range {
  uintptr_t begin, end;
  Space space;
  unsigned grain;  // bytes of a cell
  std::string name;
  std::vector<Cell> cells;
};

bool is_on();
void begin_launch();
void begin_block();
void end_launch();

void access(uintptr_t at, size_t bytes, uint8_t kind, uintptr_t pc);
// A fault that the compiler's other call-outs found, with its place in the source.
void report_at(const char* fault, const char* file, unsigned line, unsigned column);

}  // namespace checker
