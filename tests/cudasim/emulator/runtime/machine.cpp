#include "machine.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <set>

#include "checker.h"
#include "float_mode.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

namespace machine {

Machine the;

namespace {

Schedule schedule = FORWARD;
unsigned seed = 1;

void (*body)(void*);
void* context;
fibers::Fiber host;  // the stack that launched

// The order of the block's threads, warp after warp, and where each warp begins.
std::vector<unsigned> order;
std::vector<size_t> warp_begins;
size_t cursor, cursor_end;
unsigned done;

void make_current(unsigned thread) {
  the.current = thread;
  threadIdx = the.threads[thread].index;
}

void go_to(fibers::Fiber* fiber) {
  fibers::Fiber* from = the.fiber ? the.fiber : &host;
  the.fiber = fiber == &host ? nullptr : fiber;
  ++the.switches;
  fibers::switch_to(from, fiber);
}

// One fiber runs thread after thread until one of them has to wait: a kernel without
// barriers needs a single stack.
void run_threads() {
  for (;;) {
    Thread& own = the.threads[the.current];
    own.fiber = the.fiber;
    own.state = State::READY;
    body(context);
    the.threads[the.current].state = State::DONE;
    ++done;
    bool is_next_fresh =
        cursor + 1 < cursor_end && the.threads[order[cursor + 1]].state == State::FRESH;
    if (!is_next_fresh) break;
    make_current(order[++cursor]);
  }
  fibers::release(the.fiber);
  go_to(&host);
}

bool can_run(const Thread& thread) {
  return thread.state == State::FRESH || thread.state == State::READY;
}

fibers::Fiber* fiber_of(const Thread& thread) {
  return thread.state == State::FRESH ? fibers::acquire(run_threads) : thread.fiber;
}

// Let others run until this thread has been released.
void wait_here() {
  unsigned self = the.current;
  bool is_next_able = !the.failed && cursor + 1 < cursor_end &&
                      can_run(the.threads[order[cursor + 1]]);
  if (is_next_able) {  // straight on, not by way of the scheduler
    unsigned next = order[++cursor];
    fibers::Fiber* fiber = fiber_of(the.threads[next]);
    make_current(next);
    go_to(fiber);
  } else {
    go_to(&host);
  }
  make_current(self);
}

unsigned warps() {
  return ((unsigned)the.threads.size() + WARP - 1) / WARP;
}

std::vector<unsigned> numbers(unsigned first, unsigned end, std::mt19937& random) {
  std::vector<unsigned> result;
  for (unsigned i = first; i < end; ++i) result.push_back(i);
  if (schedule == REVERSE) std::reverse(result.begin(), result.end());
  if (schedule == SHUFFLED) std::shuffle(result.begin(), result.end(), random);
  return result;
}

void choose_order(std::mt19937& random) {
  unsigned count = (unsigned)the.threads.size();
  order.clear();
  warp_begins.clear();
  for (unsigned warp : numbers(0, warps(), random)) {
    warp_begins.push_back(order.size());
    unsigned first = warp * WARP;
    auto lanes = numbers(first, std::min(count, first + WARP), random);
    order.insert(order.end(), lanes.begin(), lanes.end());
  }
  warp_begins.push_back(order.size());
}

// Lanes of a warp, as bits.
struct Lanes {
  unsigned first;  // thread of lane 0
  unsigned live = 0, waiting = 0;

  explicit Lanes(unsigned first) : first(first) {
    unsigned end = std::min((unsigned)the.threads.size(), first + WARP);
    for (unsigned i = first; i < end; ++i) {
      if (the.threads[i].state != State::DONE) live |= 1u << (i - first);
      if (the.threads[i].state == State::IN_WARP) waiting |= 1u << (i - first);
    }
  }
  Thread& operator[](unsigned lane) { return the.threads[first + lane]; }
};

template <class F>
void each(unsigned mask, F action) {
  for (unsigned lane = 0; lane < WARP; ++lane)
    if (mask >> lane & 1) action(lane);
}

// The lanes of a mask have all arrived: do the work and let them go on.
void meet(Lanes& lanes, unsigned mask, CuhCollective work) {
  void* handed[WARP] = {};
  each(mask, [&](unsigned lane) { handed[lane] = lanes[lane].lane; });
  if (work) work(handed, mask);
  each(mask, [&](unsigned lane) {
    lanes[lane].state = State::READY;
    // Shuffles and matrix instructions order no memory: only __syncwarp does.
    if (!work) ++lanes[lane].warp_epoch;
  });
}

// Whether some lanes could go on.
bool meet_all(unsigned first) {
  Lanes lanes(first);
  bool any = false;
  for (unsigned lane = 0; lane < WARP && !the.failed; ++lane) {
    if (!(lanes.waiting >> lane & 1)) continue;
    Thread& own = lanes[lane];
    unsigned mask = own.mask & lanes.live;
    if ((lanes.waiting & mask) != mask) continue;
    bool is_same_mask = true, is_same_work = true;
    each(mask, [&](unsigned other) {
      is_same_mask &= lanes[other].mask == own.mask;
      is_same_work &= lanes[other].work == own.work;
    });
    if (!is_same_mask) continue;
    if (!is_same_work) {
      fail("lanes of one warp meet in different warp primitives");
      return false;
    }
    meet(lanes, mask, own.work);
    lanes.waiting &= ~mask;
    any = true;
  }
  return any;
}

void run_warp(unsigned warp) {
  bool again = true;
  while (again && !the.failed) {
    cursor_end = warp_begins[warp + 1];
    for (cursor = warp_begins[warp]; cursor < cursor_end && !the.failed; ++cursor) {
      unsigned thread = order[cursor];
      if (!can_run(the.threads[thread])) continue;
      fibers::Fiber* fiber = fiber_of(the.threads[thread]);
      make_current(thread);
      go_to(fiber);
    }
    again = !the.failed && meet_all(order[warp_begins[warp]] / WARP * WARP);
  }
}

void check_barrier() {
  const char* site = nullptr;
  for (const Thread& thread : the.threads) {
    if (thread.state == State::IN_WARP) {
      return fail("deadlock: a warp primitive waits for lanes that wait elsewhere, "
                  "at __syncthreads() or with another mask");
    }
    if (thread.state != State::AT_BARRIER) continue;
    if (site && std::strcmp(site, thread.site)) {
      return fail(std::string("threads of one block wait at different barriers: ") +
                  site + " and " + thread.site);
    }
    site = thread.site;
  }
  if (done && checker::is_on())
    fail(std::string("__syncthreads() at ") + site +
         " is not reached by threads that have returned");
}

void pass_barrier() {
  int ayes = 0, voters = 0;
  for (const Thread& thread : the.threads) {
    if (thread.state != State::AT_BARRIER) continue;
    ayes += thread.predicate;
    ++voters;
  }
  for (Thread& thread : the.threads) {
    if (thread.state != State::AT_BARRIER) continue;
    thread.state = State::READY;
    thread.outcome = thread.vote == CUH_AND  ? ayes == voters
                     : thread.vote == CUH_OR ? ayes > 0
                                             : ayes;
  }
  ++the.epoch;
  ++the.barriers;
}

void begin_block(std::mt19937& random) {
  unsigned i = 0;
  for (Thread& thread : the.threads) {
    thread.state = State::FRESH;
    thread.index = {i % blockDim.x, i / blockDim.x % blockDim.y,
                    i / blockDim.x / blockDim.y};
    thread.warp_epoch = 0;
    thread.copies.clear();
    thread.commits.clear();
    ++i;
  }
  choose_order(random);
  done = 0;
  the.epoch = 0;
  checker::begin_block();
}

void run_block(std::mt19937& random) {
  begin_block(random);
  while (done < the.threads.size() && !the.failed) {
    for (unsigned warp = 0; warp < warps() && !the.failed; ++warp) run_warp(warp);
    if (the.failed || done == the.threads.size()) break;
    check_barrier();
    if (!the.failed) pass_barrier();
  }
}

// The stacks of threads that will never end may be used again.
void abandon() {
  std::set<fibers::Fiber*> held;
  for (const Thread& thread : the.threads)
    if (thread.state != State::DONE && thread.state != State::FRESH)
      held.insert(thread.fiber);
  for (fibers::Fiber* fiber : held) fibers::release(fiber);
}

void run_grid() {
  std::mt19937 random(seed);
  uint64_t blocks = (uint64_t)gridDim.x * gridDim.y * gridDim.z;
  auto blocks_order = [&](uint64_t i) {
    return schedule == REVERSE ? blocks - 1 - i : i;
  };
  // A walk through all blocks in an order of its own: a step that shares no factor.
  uint64_t step = 1, start = 0;
  if (schedule == SHUFFLED && blocks > 2) {
    start = random() % blocks;
    do step = 1 + random() % (blocks - 1);
    while (std::__gcd(step, blocks) != 1);
  }
  for (uint64_t i = 0, walk = start; i < blocks && !the.failed; ++i) {
    the.block = schedule == SHUFFLED ? walk : blocks_order(i);
    walk = (walk + step) % blocks;
    blockIdx = {unsigned(the.block % gridDim.x),
                unsigned(the.block / gridDim.x % gridDim.y),
                unsigned(the.block / gridDim.x / gridDim.y)};
    run_block(random);
  }
}

// Dynamic shared memory begins as bytes of 255: NaN to whoever reads too early.
struct DynamicShared {
  std::vector<unsigned char> memory;

  explicit DynamicShared(size_t bytes) : memory(bytes + 256, 0xff) {
    auto address = (uintptr_t)memory.data();
    the.shared = memory.data() + (128 - address % 128) % 128;
    the.shared_bytes = bytes;
  }
  ~DynamicShared() { the.shared = nullptr; }
};

}  // namespace

void fail(const std::string& error) {
  if (!the.failed) the.error = error;
  the.failed = true;
  while (the.fiber) go_to(&host);
}

}  // namespace machine

using machine::State;
using machine::Thread;
using machine::the;

extern "C" {

void cuh_set_schedule(int schedule, unsigned seed) {
  machine::schedule = (machine::Schedule)schedule;
  machine::seed = seed;
}

const char* cuh_error() {
  return the.error.c_str();
}

void cuh_counters(uint64_t* out) {
  out[0] = the.switches;
  out[1] = the.barriers;
}

int cuh_barrier(const char* site, CuhVote vote, int predicate) {
  Thread& own = the.threads[the.current];
  own.site = site;
  own.vote = vote;
  own.predicate = predicate;
  own.state = State::AT_BARRIER;
  machine::wait_here();
  return own.outcome;
}

void cuh_warp_barrier(unsigned mask) {
  cuh_collective(mask, nullptr, nullptr);
}

void cuh_collective(unsigned mask, CuhCollective work, void* lane) {
  if (!(mask >> cuh_lane() & 1))
    machine::fail("a warp primitive is called by a lane that is not in its mask");
  Thread& own = the.threads[the.current];
  own.mask = mask;
  own.work = work;
  own.lane = lane;
  own.state = State::IN_WARP;
  machine::wait_here();
}

unsigned cuh_lane() {
  return the.current % machine::WARP;
}

unsigned cuh_active_mask() {
  return machine::Lanes(the.current / machine::WARP * machine::WARP).live;
}

void* cuh_dynamic_shared() {
  return the.shared;
}

void cuh_trap(const char* what, const char* file, int line) {
  machine::fail(std::string(what) + " failed at " + file + ":" + std::to_string(line));
  __builtin_unreachable();
}

int cuh_run(void (*body)(void*), void* context, const CuhLaunch* launch) {
  machine::body = body;
  machine::context = context;
  the.error.clear();
  the.failed = false;
  the.switches = the.barriers = 0;
  gridDim = {launch->grid[0], launch->grid[1], launch->grid[2]};
  blockDim = {launch->block[0], launch->block[1], launch->block[2]};
  the.threads.resize((size_t)blockDim.x * blockDim.y * blockDim.z);
  machine::DynamicShared shared(launch->shared);
  checker::begin_launch();
  {
    FlushDenormals mode;
    machine::run_grid();
  }
  checker::end_launch();
  if (the.failed) machine::abandon();
  return the.failed;
}
}
