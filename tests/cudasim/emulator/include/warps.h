// Shuffles, votes and sums over the lanes of a warp.
#pragma once

inline void __syncwarp(unsigned mask = ~0u) {
  cuh_warp_barrier(mask);
}
inline unsigned __activemask() {
  return cuh_active_mask();
}

template <class T>
struct CuhShuffle {
  T value, result;
  int source;
};

template <class T>
CUH_MACHINE void cuh_shuffle_lanes(void* const* lanes, unsigned mask) {
  for (int i = 0; i < 32; ++i) {
    if (!(mask >> i & 1)) continue;
    auto& lane = *(CuhShuffle<T>*)lanes[i];
    // A lane that is absent has no value: the result is all ones, NaN for a float.
    if (mask >> lane.source & 1)
      lane.result = ((CuhShuffle<T>*)lanes[lane.source])->value;
    else
      std::memset((void*)&lane.result, 0xff, sizeof(T));
  }
}

template <class T>
CUH_MACHINE T cuh_shuffle(unsigned mask, T value, int source) {
  static_assert(sizeof(T) <= 8, "shuffles take numbers of at most 8 bytes");
  CuhShuffle<T> lane{value, value, source & 31};
  cuh_collective(mask, cuh_shuffle_lanes<T>, &lane);
  return lane.result;
}

template <class T>
CUH_MACHINE T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  int lane = cuh_lane();
  return cuh_shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}
template <class T>
CUH_MACHINE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  int lane = cuh_lane(), from = (lane & (width - 1)) - (int)delta;
  return cuh_shuffle(mask, value, from >= 0 ? lane - (int)delta : lane);
}
template <class T>
CUH_MACHINE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  int lane = cuh_lane(), from = (lane & (width - 1)) + (int)delta;
  return cuh_shuffle(mask, value, from < width ? lane + (int)delta : lane);
}
template <class T>
CUH_MACHINE T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32) {
  int lane = cuh_lane(), from = (lane & (width - 1)) ^ bits;
  return cuh_shuffle(mask, value, from < width ? lane ^ bits : lane);
}

struct CuhBallot {
  int predicate;
  unsigned result;
};

CUH_MACHINE inline void cuh_ballot_lanes(void* const* lanes, unsigned mask) {
  unsigned votes = 0;
  for (int i = 0; i < 32; ++i)
    if (mask >> i & 1) votes |= unsigned(((CuhBallot*)lanes[i])->predicate != 0) << i;
  for (int i = 0; i < 32; ++i)
    if (mask >> i & 1) ((CuhBallot*)lanes[i])->result = votes;
}
CUH_MACHINE inline unsigned __ballot_sync(unsigned mask, int predicate) {
  CuhBallot lane{predicate, 0};
  cuh_collective(mask, cuh_ballot_lanes, &lane);
  return lane.result;
}
inline int __any_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) == mask;
}

template <class T, class F>
CUH_MACHINE T cuh_reduce(unsigned mask, T value, F join) {
  T sum = value;
  bool is_first = true;
  for (int i = 0; i < 32; ++i) {
    T other = cuh_shuffle(mask, value, i);
    if (!(mask >> i & 1)) continue;
    sum = is_first ? other : join(sum, other);
    is_first = false;
  }
  return sum;
}
#define CUH_REDUCE(name, type, expression)                                     \
  inline type name(unsigned mask, type value) {                                \
    return cuh_reduce(mask, value, [](type a, type b) { return expression; }); \
  }
CUH_REDUCE(__reduce_add_sync, int, a + b)
CUH_REDUCE(__reduce_add_sync, unsigned, a + b)
CUH_REDUCE(__reduce_min_sync, int, b < a ? b : a)
CUH_REDUCE(__reduce_min_sync, unsigned, b < a ? b : a)
CUH_REDUCE(__reduce_max_sync, int, a < b ? b : a)
CUH_REDUCE(__reduce_max_sync, unsigned, a < b ? b : a)
CUH_REDUCE(__reduce_or_sync, unsigned, a | b)
CUH_REDUCE(__reduce_and_sync, unsigned, a & b)
CUH_REDUCE(__reduce_xor_sync, unsigned, a ^ b)
