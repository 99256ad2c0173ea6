// Arithmetic: what <cmath> lacks of CUDA's functions.
#pragma once

#define CUH_MIN_MAX(type)                                        \
  inline type min(type a, type b) { return b < a ? b : a; }      \
  inline type max(type a, type b) { return a < b ? b : a; }
CUH_MIN_MAX(int)
CUH_MIN_MAX(unsigned)
CUH_MIN_MAX(long)
CUH_MIN_MAX(unsigned long)
CUH_MIN_MAX(long long)
CUH_MIN_MAX(unsigned long long)
#undef CUH_MIN_MAX
// Of a NaN and a number the number, as on the device.
inline float min(float a, float b) { return std::fmin(a, b); }
inline float max(float a, float b) { return std::fmax(a, b); }
inline double min(double a, double b) { return std::fmin(a, b); }
inline double max(double a, double b) { return std::fmax(a, b); }

using std::abs;
using std::isfinite;
using std::isinf;
using std::isnan;

template <class T>
inline T cuh_bits(const void* from) {
  T to;
  __builtin_memcpy(&to, from, sizeof to);
  return to;
}
inline int __float_as_int(float x) { return cuh_bits<int>(&x); }
inline unsigned __float_as_uint(float x) { return cuh_bits<unsigned>(&x); }
inline float __int_as_float(int x) { return cuh_bits<float>(&x); }
inline float __uint_as_float(unsigned x) { return cuh_bits<float>(&x); }
inline long long __double_as_longlong(double x) { return cuh_bits<long long>(&x); }
inline double __longlong_as_double(long long x) { return cuh_bits<double>(&x); }

// The fast forms are computed exactly: what they may lose is for the tolerances.
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float rcbrtf(float x) { return 1.0f / std::cbrt(x); }
inline float exp10f(float x) { return std::pow(10.0f, x); }
inline float __expf(float x) { return std::exp(x); }
inline float __exp10f(float x) { return std::pow(10.0f, x); }
inline float __logf(float x) { return std::log(x); }
inline float __log2f(float x) { return std::log2(x); }
inline float __powf(float x, float y) { return std::pow(x, y); }
inline float __sinf(float x) { return std::sin(x); }
inline float __cosf(float x) { return std::cos(x); }
inline float __tanf(float x) { return std::tan(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float __frsqrt_rn(float x) { return 1.0f / std::sqrt(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1.0f) : 0.0f; }

inline int __float2int_rn(float x) { return (int)std::nearbyint(x); }
inline int __float2int_rz(float x) { return (int)x; }
inline int __float2int_rd(float x) { return (int)std::floor(x); }
inline int __float2int_ru(float x) { return (int)std::ceil(x); }
inline unsigned __float2uint_rn(float x) { return (unsigned)std::nearbyint(x); }
inline unsigned __float2uint_rz(float x) { return (unsigned)x; }
inline float __int2float_rn(int x) { return (float)x; }
inline float __uint2float_rn(unsigned x) { return (float)x; }
// Towards zero: the nearest float, unless that is beyond the number.
inline float __uint2float_rz(unsigned x) {
  float near = (float)x;
  return (double)near > (double)x ? std::nextafter(near, 0.0f) : near;
}

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int __clzll(long long x) {
  return x ? __builtin_clzll((unsigned long long)x) : 64;
}
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __brev(unsigned x) {
  unsigned y = 0;
  for (int i = 0; i < 32; ++i) y |= (x >> i & 1) << (31 - i);
  return y;
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)((unsigned long long)a * b >> 32);
}
inline int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline int __mul24(int a, int b) { return a * b; }
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  shift &= 31;
  return shift ? high << shift | low >> (32 - shift) : high;
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  shift &= 31;
  return shift ? low >> shift | high << (32 - shift) : low;
}

// Loads and stores with advice for the caches.  In line, so that the checker sees the
// kernel's own line.
#define CUH_LOAD(name)                                               \
  template <class T>                                                 \
  inline __attribute__((always_inline)) T name(const T* at) {        \
    return *at;                                                      \
  }
CUH_LOAD(__ldg)
CUH_LOAD(__ldcs)
CUH_LOAD(__ldca)
CUH_LOAD(__ldcg)
CUH_LOAD(__ldlu)
#undef CUH_LOAD
#define CUH_STORE(name)                                              \
  template <class T>                                                 \
  inline __attribute__((always_inline)) void name(T* at, T value) {  \
    *at = value;                                                     \
  }
CUH_STORE(__stcs)
CUH_STORE(__stcg)
CUH_STORE(__stwb)
CUH_STORE(__stwt)
#undef CUH_STORE

// The compiler calls nothing for these, so the checker is told here.
CUH_CALL inline void* cuh_memcpy(void* to, const void* from, size_t bytes) {
  cuh_note_range(from, bytes, 0, CUH_CALLER);
  cuh_note_range(to, bytes, 1, CUH_CALLER);
  return __builtin_memcpy(to, from, bytes);
}
CUH_CALL inline void* cuh_memset(void* to, int value, size_t bytes) {
  cuh_note_range(to, bytes, 1, CUH_CALLER);
  return __builtin_memset(to, value, bytes);
}
