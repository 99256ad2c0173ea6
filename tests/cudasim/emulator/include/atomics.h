// Atomic operations.  Threads change places only where they wait, so reading, changing
// and writing is one step here; the checker is told that it was meant to be.
#pragma once

#define CUH_ATOMIC(name, expression)                           \
  template <class T, class U>                                  \
  CUH_CALL T name(T* at, U operand) {                          \
    T given = (T)operand;                                      \
    cuh_note_atomic(at, sizeof(T), CUH_CALLER);                \
    T old = *at;                                               \
    *at = (expression);                                        \
    return old;                                                \
  }
CUH_ATOMIC(atomicAdd, old + given)
CUH_ATOMIC(atomicSub, old - given)
CUH_ATOMIC(atomicMin, given < old ? given : old)
CUH_ATOMIC(atomicMax, old < given ? given : old)
CUH_ATOMIC(atomicAnd, old & given)
CUH_ATOMIC(atomicOr, old | given)
CUH_ATOMIC(atomicXor, old ^ given)
CUH_ATOMIC(atomicExch, given)
#undef CUH_ATOMIC

template <class T>
CUH_CALL T atomicCAS(T* at, T expected, T desired) {
  cuh_note_atomic(at, sizeof(T), CUH_CALLER);
  T old = *at;
  if (std::memcmp(&old, &expected, sizeof(T)) == 0) *at = desired;
  return old;
}
