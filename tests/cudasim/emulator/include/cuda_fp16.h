// Half precision.  The compiler's _Float16 rounds to nearest even, as cvt.rn does.
#pragma once

struct __half {
  _Float16 value;
  constexpr __half() : value() {}  // or g++ guards shared arrays of them
  __half(float x) : value((_Float16)x) {}
  __half(double x) : value((_Float16)x) {}
  __half(int x) : value((_Float16)x) {}
  operator float() const { return (float)value; }
};
typedef __half half;

struct alignas(4) __half2 {
  __half x, y;
  constexpr __half2() : x(), y() {}
  __half2(__half a, __half b) : x(a), y(b) {}
};
typedef __half2 half2;

// Sums and products of halves are exact in float, so one rounding is left.
#define CUH_HALF(sign, name)                                                         \
  inline __half operator sign(__half a, __half b) { return (float)a sign(float) b; } \
  inline __half& operator sign##=(__half & a, __half b) { return a = a sign b; }     \
  inline __half name(__half a, __half b) { return a sign b; }                        \
  inline __half2 name##2(__half2 a, __half2 b) {                                     \
    return {a.x sign b.x, a.y sign b.y};                                             \
  }
CUH_HALF(+, __hadd)
CUH_HALF(-, __hsub)
CUH_HALF(*, __hmul)
CUH_HALF(/, __hdiv)
#undef CUH_HALF
inline __half operator-(__half a) {
  return -(float)a;
}

inline __half __float2half(float x) {
  return x;
}
inline __half __float2half_rn(float x) {
  return x;
}
inline float __half2float(__half x) {
  return x;
}
inline __half2 __floats2half2_rn(float x, float y) {
  return {x, y};
}
inline __half2 __float22half2_rn(float2 x) {
  return {x.x, x.y};
}
inline __half2 __halves2half2(__half x, __half y) {
  return {x, y};
}
inline float2 __half22float2(__half2 x) {
  return {x.x, x.y};
}
inline float __low2float(__half2 x) {
  return x.x;
}
inline float __high2float(__half2 x) {
  return x.y;
}
inline __half __low2half(__half2 x) {
  return x.x;
}
inline __half __high2half(__half2 x) {
  return x.y;
}
inline unsigned short __half_as_ushort(__half x) {
  return cuh_bits<unsigned short>(&x);
}
inline __half __ushort_as_half(unsigned short x) {
  return cuh_bits<__half>(&x);
}
