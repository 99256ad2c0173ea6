#include "statistics.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <unordered_map>
#include <vector>

#include "machine.h"

namespace statistics {
namespace {

constexpr unsigned SECTOR = 32, BANKS = 32, WORD = 4;

struct Lane {
  unsigned lane;
  uintptr_t at;
};

// One execution of an instruction by a warp.
typedef std::vector<Lane> Request;

struct Instruction {
  bool is_shared = false, is_write = false;
  size_t bytes = 0;
  // Of the block that runs: requests by warp and by how often the warp had been here.
  std::unordered_map<uint64_t, Request> requests;
  std::vector<uint32_t> visits;  // of each thread
  uint64_t count = 0, lanes = 0;
  uint64_t sectors = 0, ideal_sectors = 0;
  uint64_t wavefronts = 0, ideal_wavefronts = 0;
};

// By address, and whether it is a write: a copy from global to shared memory is both.
std::map<std::pair<uintptr_t, bool>, Instruction> instructions;

size_t distinct(std::vector<uintptr_t>& numbers) {
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers.size();
}

// The numbers of the units of so many bytes that lanes touch.
std::vector<uintptr_t> units(const Request& request, size_t bytes, unsigned unit) {
  std::vector<uintptr_t> result;
  for (const Lane& lane : request)
    for (uintptr_t u = lane.at / unit; u <= (lane.at + bytes - 1) / unit; ++u)
      result.push_back(u);
  return result;
}

void count_sectors(Instruction& own, const Request& request) {
  auto sectors = units(request, own.bytes, SECTOR);
  own.sectors += distinct(sectors);
  // The same number of different bytes, side by side.
  auto words = units(request, own.bytes, own.bytes < WORD ? (unsigned)own.bytes : WORD);
  size_t unit = own.bytes < WORD ? own.bytes : WORD;
  own.ideal_sectors += (distinct(words) * unit + SECTOR - 1) / SECTOR;
}

// Of one phase: the most words that any bank must give.
size_t wavefronts(const Request& phase, size_t bytes) {
  auto words = units(phase, bytes, WORD);
  distinct(words);
  size_t most = 0, of_bank[BANKS] = {};
  for (uintptr_t word : words) most = std::max(most, ++of_bank[word % BANKS]);
  return most;
}

// 8 bytes a lane go by half warps, 16 by quarters; all at once if no bank has more than
// a word to give, as where all lanes read one place.
void count_wavefronts(Instruction& own, const Request& request) {
  unsigned lanes = own.bytes > 8 ? 8 : own.bytes > 4 ? 16 : 32;
  if (wavefronts(request, own.bytes) == 1) lanes = machine::WARP;
  for (unsigned first = 0; first < machine::WARP; first += lanes) {
    Request phase;
    for (const Lane& lane : request)
      if (lane.lane >= first && lane.lane < first + lanes) phase.push_back(lane);
    if (phase.empty()) continue;
    own.wavefronts += wavefronts(phase, own.bytes);
    own.ideal_wavefronts += 1;
  }
}

}  // namespace

void reset() {
  instructions.clear();
}

void count(unsigned thread, uintptr_t at, size_t bytes, bool is_write, bool is_shared,
           uintptr_t pc) {
  Instruction& own = instructions[{pc, is_write}];
  own.is_shared = is_shared;
  own.is_write = is_write;
  if (own.visits.size() < machine::the.threads.size())
    own.visits.resize(machine::the.threads.size());
  uint64_t warp = thread / machine::WARP;
  if (!bytes) {
    ++own.visits[thread];
    return;
  }
  own.bytes = bytes;
  own.requests[warp << 40 | own.visits[thread]++].push_back(
      {thread % machine::WARP, at});
}

void end_block() {
  for (auto& [place, own] : instructions) {
    for (const auto& [key, request] : own.requests) {
      ++own.count;
      own.lanes += request.size();
      if (own.is_shared)
        count_wavefronts(own, request);
      else
        count_sectors(own, request);
    }
    own.requests.clear();
    std::fill(own.visits.begin(), own.visits.end(), 0);
  }
}

std::string table(uintptr_t module_begin) {
  std::string result;
  char line[256];
  for (const auto& [key, own] : instructions) {
    size_t pc = key.first - module_begin;
    std::snprintf(line, sizeof line, "%zx %s %s %zu %lu %lu %lu %lu %lu %lu\n", pc,
                  own.is_shared ? "shared" : "global", own.is_write ? "st" : "ld",
                  own.bytes, own.count, own.lanes, own.sectors, own.ideal_sectors,
                  own.wavefronts, own.ideal_wavefronts);
    result += line;
  }
  return result;
}

}  // namespace statistics
