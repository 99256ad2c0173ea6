#include "checker.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <set>

#include "machine.h"
#include "statistics.h"

using machine::the;

namespace checker {
namespace {

constexpr size_t MOST_REPORTS = 40;

int mode = OFF;
std::vector<Range> ranges;
size_t last;  // the range found last
uintptr_t module_begin;

std::vector<std::string> reports;
std::set<std::pair<std::string, uintptr_t>> seen;  // one report a fault and place
uint64_t accesses;

struct Access {
  uintptr_t at;
  size_t bytes;
  uint8_t kind;
  uintptr_t pc;
};

void report(const char* fault, const Access& a, const Range* range, int other) {
  if (!seen.insert({fault, a.pc}).second || reports.size() >= MOST_REPORTS) return;
  char text[512];
  std::snprintf(text, sizeof text, "%s|%s|%zu|%s|%ld|%u,%u,%u|%u|%d|%zx", fault,
                a.kind & ATOMIC  ? "atomic"
                : a.kind & WRITE ? "write"
                                 : "read",
                a.bytes, range ? range->name.c_str() : "",
                range ? (long)(a.at - range->begin) : 0, blockIdx.x, blockIdx.y,
                blockIdx.z, the.current, other, (size_t)(a.pc - module_begin));
  reports.push_back(text);
}

Range* find(uintptr_t at) {
  auto holds = [&](const Range& r) { return at >= r.begin && at < r.end; };
  if (last < ranges.size() && holds(ranges[last])) return &ranges[last];
  for (size_t i = 0; i < ranges.size(); ++i)
    if (holds(ranges[i])) {
      last = i;
      return &ranges[i];
    }
  return nullptr;
}

// The range that an address just missed, for the report.
const Range* nearest(uintptr_t at) {
  const Range* best = nullptr;
  uintptr_t distance = 4096;
  for (const Range& range : ranges) {
    uintptr_t d = at < range.begin ? range.begin - at : at - range.end;
    if (d < distance) {
      distance = d;
      best = &range;
    }
  }
  return best;
}

template <class T>
bool is_in(uintptr_t at, const T& object) {
  return at - (uintptr_t)&object < sizeof object;
}

// Memory that is in no range, and yet the thread's to use.
bool is_private(const Access& a) {
  if (the.fiber->holds(a.at)) return true;
  if (is_in(a.at, threadIdx) || is_in(a.at, blockIdx)) return true;
  return is_in(a.at, blockDim) || is_in(a.at, gridDim);
}

Touch now(const Access& a, uint8_t bytes) {
  Touch touch;
  touch.block = (uint32_t)the.block + 1;
  touch.epoch = the.epoch;
  touch.warp_epoch = the.threads[the.current].warp_epoch;
  touch.thread = (uint16_t)the.current;
  touch.bytes = bytes;
  touch.kind = a.kind;
  return touch;
}

unsigned warp_of(const Touch& touch) {
  return touch.thread / machine::WARP;
}

// Whether nothing orders an earlier access before this one.
bool is_unordered(const Touch& before, const Touch& own, Space space) {
  if (!before.block) return false;
  if (before.block != own.block) return space == GLOBAL;
  if (before.thread == own.thread || before.epoch != own.epoch) return false;
  bool is_same_warp = warp_of(before) == warp_of(own);
  return !(is_same_warp && before.warp_epoch < own.warp_epoch);
}

bool races(const Touch& before, const Touch& own, Space space) {
  if (!(before.bytes & own.bytes)) return false;
  if (before.kind & own.kind & ATOMIC) return false;
  return is_unordered(before, own, space);
}

bool is_of(const Touch& before, const Touch& own) {
  return before.block == own.block && before.epoch == own.epoch;
}

void remember_reader(Cell& cell, const Touch& own) {
  Touch& latest = cell.reader;
  if (!is_of(latest, own)) {
    // Readers of other blocks stay known: a write may still race with them.
    if (latest.block && latest.block != own.block) cell.stranger = latest;
    else cell.stranger = Touch();
    cell.neighbour = Touch();
  } else if (latest.thread == own.thread) {
    uint8_t bytes = latest.bytes | own.bytes;
    latest = own;
    latest.bytes = bytes;
    return;
  } else if (warp_of(latest) == warp_of(own)) {
    cell.neighbour = latest;
  } else {
    cell.stranger = latest;
    cell.neighbour = Touch();
  }
  latest = own;
}

void remember_writer(Cell& cell, const Touch& own) {
  Touch& latest = cell.writer;
  bool is_again = is_of(latest, own) && latest.thread == own.thread &&
                  latest.kind == own.kind;
  uint8_t bytes = is_again ? latest.bytes | own.bytes : own.bytes;
  latest = own;
  latest.bytes = bytes;
}

void check_writer(const Cell& cell, const Touch& own, const Access& a, Range& range) {
  if (races(cell.writer, own, range.space)) {
    bool is_write = own.kind & WRITE;
    report(is_write ? "race, write after write" : "race, read after write", a, &range,
           cell.writer.thread);
  }
  bool is_pending = (cell.writer.kind & ASYNC_ISSUE) && !(own.kind & WRITE) &&
                    cell.writer.block == own.block && (cell.writer.bytes & own.bytes);
  if (is_pending)
    report("read of an asynchronous copy that nobody waited for", a, &range,
           cell.writer.thread);
}

void check_readers(const Cell& cell, const Touch& own, const Access& a, Range& range) {
  for (const Touch* reader : {&cell.reader, &cell.neighbour, &cell.stranger})
    if (races(*reader, own, range.space))
      return report("race, write after read", a, &range, reader->thread);
}

void check_cell(Cell& cell, const Touch& own, const Access& a, Range& range) {
  bool is_write = own.kind & WRITE;
  if (range.space == SHARED && (!is_write || own.kind & ATOMIC) &&
      cell.writer.block != own.block)
    report("read of shared memory that was never written", a, &range, -1);
  check_writer(cell, own, a, range);
  if (is_write) {
    check_readers(cell, own, a, range);
    remember_writer(cell, own);
  } else {
    remember_reader(cell, own);
  }
}

void check_cells(const Access& a, Range& range) {
  size_t begin = a.at - range.begin, end = begin + a.bytes;
  for (size_t i = begin / range.grain; i * range.grain < end; ++i) {
    size_t first = i * range.grain;
    uint8_t bytes = 0;
    for (unsigned b = 0; b < range.grain; ++b)
      if (first + b >= begin && first + b < end) bytes |= 1 << b;
    check_cell(range.cells[i], now(a, bytes), a, range);
  }
}

bool is_misaligned(const Access& a) {
  bool is_of_one_instruction = a.bytes <= 16 && !(a.bytes & (a.bytes - 1));
  return is_of_one_instruction && a.at % a.bytes;
}

void add_range(uintptr_t begin, size_t bytes, Space space, unsigned grain,
               const char* name) {
  size_t cells = mode & CHECK && space != CONSTANT ? bytes / grain + 1 : 0;
  ranges.push_back(
      {begin, begin + bytes, space, grain, name, std::vector<Cell>(cells)});
}

}  // namespace

bool is_on() {
  return mode != OFF;
}

void begin_launch() {
  if (is_on() && the.shared_bytes)
    add_range((uintptr_t)the.shared, the.shared_bytes, SHARED, 2,
              "dynamic shared memory");
}

void begin_block() {
  statistics::end_block();
  if (!is_on()) return;
  for (Range& range : ranges)
    if (range.space == SHARED)
      std::memset((void*)range.begin, 0xff, range.end - range.begin);
}

void end_launch() {
  statistics::end_block();
  ranges.clear();
  last = 0;
}

void access(uintptr_t at, size_t bytes, uint8_t kind, uintptr_t pc) {
  if (!is_on() || !the.fiber) return;
  if (!bytes) {  // a copy of which nothing is read: its warp's other lanes may read
    if (mode & COUNT) statistics::count(the.current, at, 0, kind & WRITE, false, pc);
    return;
  }
  Access a{at, bytes, kind, pc};
  ++accesses;
  Range* range = find(at);
  if (!range || at + bytes > range->end) {
    if (!range && is_private(a)) return;
    report("out of bounds", a, range ? range : nearest(at), -1);
    machine::fail("out of bounds");  // what it would overwrite may be anything
    return;
  }
  if (range->space == CONSTANT) {
    if (kind & WRITE) report("write to a constant", a, range, -1);
    return;
  }
  if (is_misaligned(a)) report("misaligned", a, range, -1);
  if (mode & COUNT && !(kind & ASYNC_ISSUE))
    statistics::count(the.current, at, bytes, kind & WRITE, range->space == SHARED, pc);
  if (mode & CHECK) check_cells(a, *range);
}

void report_at(const char* fault, const char* file, unsigned line, unsigned column) {
  if (!seen.insert({fault, ((uintptr_t)line << 32) + column}).second) return;
  if (reports.size() >= MOST_REPORTS) return;
  char text[512];
  std::snprintf(text, sizeof text, "%s||0||0|%u,%u,%u|%u|-1|%s:%u", fault, blockIdx.x,
                blockIdx.y, blockIdx.z, the.current, file, line);
  reports.push_back(text);
}

}  // namespace checker

namespace {

int copy_out(const std::string& text, char* out, size_t capacity) {
  std::strncpy(out, text.c_str(), capacity - 1);
  out[capacity - 1] = 0;
  return (int)text.size();
}

}  // namespace

extern "C" {

// Forget all ranges, reports and counts, and check the next launch in this mode.
void cuh_watch(int mode, uintptr_t module_begin) {
  checker::mode = mode;
  checker::module_begin = module_begin;
  checker::ranges.clear();
  checker::reports.clear();
  checker::seen.clear();
  checker::accesses = 0;
  checker::last = 0;
  statistics::reset();
}

void cuh_add_range(
    uintptr_t begin, size_t bytes, int space, unsigned grain, const char* name) {
  checker::add_range(begin, bytes, (checker::Space)space, grain, name);
}

uint64_t cuh_accesses() {
  return checker::accesses;
}

int cuh_reports(char* out, size_t capacity) {
  std::string text;
  for (const std::string& report : checker::reports) text += report + "\n";
  return copy_out(text, out, capacity);
}

int cuh_statistics(char* out, size_t capacity) {
  return copy_out(statistics::table(checker::module_begin), out, capacity);
}
}
