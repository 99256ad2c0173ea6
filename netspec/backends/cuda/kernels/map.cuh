// Functions of single elements: grid-stride loops, 16 bytes at a time where all
// pointers allow it.  Outputs may be inputs: each thread reads its elements before it
// writes them.
#pragma once

// i / d for i >= 0, d > 0; a 64-bit division costs four times one of 32 bits.
__device__ inline long long quotient(long long i, long long d) {
  return ((i | d) >> 32) != 0 ? i / d : (long long)((unsigned)i / (unsigned)d);
}

__device__ inline long long first_index() {
  return (long long)blockIdx.x * blockDim.x + threadIdx.x;
}

__device__ inline long long index_step() { return (long long)gridDim.x * blockDim.x; }

__device__ inline bool takes_vectors() { return true; }

// Whether all pointers lie at multiples of 16 bytes.
template <class... P>
__device__ inline bool takes_vectors(const void* p, P... rest) {
  return ((unsigned long long)p & 15) == 0 && takes_vectors(rest...);
}

__device__ inline float4 four(const float* x, long long quad) {
  return reinterpret_cast<const float4*>(x)[quad];
}

__device__ inline void store_four(float* y, long long quad, float4 v) {
  reinterpret_cast<float4*>(y)[quad] = v;
}

template <class F, class... V>
__device__ inline float4 apply_four(F f, V... v) {
  return make_float4(f(v.x...), f(v.y...), f(v.z...), f(v.w...));
}

// y[i] = f(x[i]...) for i < n.
template <class F, class... X>
__device__ inline void map(long long n, float* y, F f, const X*... x) {
  long long done = 0;
  if (takes_vectors(y, x...)) {
    for (long long q = first_index(); q < n / 4; q += index_step())
      store_four(y, q, apply_four(f, four(x, q)...));
    done = n / 4 * 4;
  }
  for (long long i = done + first_index(); i < n; i += index_step()) y[i] = f(x[i]...);
}

// y[i] = f(c, x[i]...) where c is the channel of element i of (outer, channels, inner).
template <class F, class... X>
__device__ inline void map_channels(long long n, int channels, long long inner,
                                    float* y, F f, const X*... x) {
  if (inner % 4 == 0 && takes_vectors(y, x...)) {
    for (long long q = first_index(); q < n / 4; q += index_step()) {
      const int c = (int)(quotient(q, inner / 4) % channels);
      auto g = [=](auto... v) { return f(c, v...); };
      store_four(y, q, apply_four(g, four(x, q)...));
    }
    return;
  }
  for (long long i = first_index(); i < n; i += index_step())
    y[i] = f((int)(quotient(i, inner) % channels), x[i]...);
}
