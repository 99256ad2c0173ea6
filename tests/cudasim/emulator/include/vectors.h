// Vectors of two to four numbers.  One of 16 bytes is copied in one access, as on the
// device: so the checker sees its size and its alignment.
#pragma once

typedef int cuh_16_bytes __attribute__((vector_size(16), may_alias));

#define CUH_VECTOR2(name, type, alignment)             \
  struct alignas(alignment) name {                     \
    type x, y;                                         \
  };                                                   \
  inline name make_##name(type x, type y) {            \
    return {x, y};                                     \
  }
#define CUH_VECTOR3(name, type)                        \
  struct name {                                        \
    type x, y, z;                                      \
  };                                                   \
  inline name make_##name(type x, type y, type z) {    \
    return {x, y, z};                                  \
  }
#define CUH_VECTOR4(name, type, alignment)                     \
  struct alignas(alignment) name {                             \
    type x, y, z, w;                                           \
  };                                                           \
  inline name make_##name(type x, type y, type z, type w) {    \
    return {x, y, z, w};                                       \
  }

// With a constexpr constructor, or g++ guards shared arrays of them.
#define CUH_ONE_ACCESS(name)                                              \
  name(const name& o) {                                                   \
    *(cuh_16_bytes*)this = *(const cuh_16_bytes*)&o;                      \
  }                                                                       \
  name& operator=(const name& o) {                                        \
    *(cuh_16_bytes*)this = *(const cuh_16_bytes*)&o;                      \
    return *this;                                                         \
  }
#define CUH_WIDE4(name, type)                                                         \
  struct alignas(16) name {                                                           \
    type x, y, z, w;                                                                  \
    CUH_ONE_ACCESS(name)                                                              \
    constexpr name() : x(), y(), z(), w() {}                                          \
    constexpr name(type a, type b, type c, type d) : x(a), y(b), z(c), w(d) {}        \
  };                                                                                  \
  inline name make_##name(type x, type y, type z, type w) {                           \
    return name(x, y, z, w);                                                          \
  }
#define CUH_WIDE2(name, type)                          \
  struct alignas(16) name {                            \
    type x, y;                                         \
    CUH_ONE_ACCESS(name)                               \
    constexpr name() : x(), y() {}                     \
    constexpr name(type a, type b) : x(a), y(b) {}     \
  };                                                   \
  inline name make_##name(type x, type y) {            \
    return name(x, y);                                 \
  }

typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef long long longlong;
typedef unsigned long long ulonglong;

CUH_VECTOR2(char2, signed char, 2)
CUH_VECTOR4(char4, signed char, 4)
CUH_VECTOR2(uchar2, unsigned char, 2)
CUH_VECTOR4(uchar4, unsigned char, 4)
CUH_VECTOR2(short2, short, 4)
CUH_VECTOR4(short4, short, 8)
CUH_VECTOR2(ushort2, unsigned short, 4)
CUH_VECTOR4(ushort4, unsigned short, 8)
CUH_VECTOR2(int2, int, 8)
CUH_VECTOR3(int3, int)
CUH_WIDE4(int4, int)
CUH_VECTOR2(uint2, unsigned, 8)
CUH_WIDE4(uint4, unsigned)
CUH_VECTOR2(float2, float, 8)
CUH_VECTOR3(float3, float)
CUH_WIDE4(float4, float)
CUH_WIDE2(double2, double)
CUH_WIDE2(longlong2, long long)
CUH_WIDE2(ulonglong2, unsigned long long)

inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) {
  return {x, y, z};
}
