// The arithmetic of -ftz=true, with which CuPy compiles: denormals are zero.
#pragma once

#if defined(__x86_64__)
#include <xmmintrin.h>

class FlushDenormals {
 public:
  FlushDenormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | FLUSH); }
  ~FlushDenormals() { _mm_setcsr(before_); }

 private:
  static constexpr unsigned FLUSH = 0x8040;  // results, and operands
  unsigned before_;
};
#else
class FlushDenormals {};
#endif
