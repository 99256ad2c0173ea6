// Dropout: a thread draws four words and treats their four elements.
#include "map.cuh"
#include "philox.cuh"

// x (rows, columns); words below limit drop their element.
extern "C" __global__ void dropout(const float* x, float* y, unsigned char* mask,
                                   long long rows, long long columns, long long limit,
                                   float factor, unsigned first_sample, unsigned low,
                                   unsigned high, unsigned key0, unsigned key1) {
  const long long blocks = (columns + 3) / 4;
  const bool vectors =
      columns % 4 == 0 && takes_vectors(x, y) && ((unsigned long long)mask & 3) == 0;
  for (long long t = first_index(); t < rows * blocks; t += index_step()) {
    const long long row = quotient(t, blocks), block = t - row * blocks;
    const unsigned sample = first_sample + (unsigned)row;
    const Words w = philox((unsigned)block, sample, low, high, key0, key1);
    unsigned keep[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) keep[i] = w.word[i] >= limit;
    if (vectors) {
      const float4 v = four(x, t);
      reinterpret_cast<unsigned*>(mask)[t] =
          keep[0] | keep[1] << 8 | keep[2] << 16 | keep[3] << 24;
      store_four(y, t,
                 make_float4(v.x * keep[0] * factor, v.y * keep[1] * factor,
                             v.z * keep[2] * factor, v.w * keep[3] * factor));
      continue;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (block * 4 + i < columns) {
        const long long at = row * columns + block * 4 + i;
        mask[at] = (unsigned char)keep[i];
        y[at] = x[at] * keep[i] * factor;
      }
  }
}

extern "C" __global__ void dropout_backward(const float* dy, const unsigned char* mask,
                                            float* dx, long long n, float factor) {
  const bool vectors = takes_vectors(dy, dx) && ((unsigned long long)mask & 3) == 0;
  long long done = 0;
  if (vectors) {
    for (long long q = first_index(); q < n / 4; q += index_step()) {
      const float4 d = four(dy, q);
      const unsigned m = reinterpret_cast<const unsigned*>(mask)[q];
      store_four(dx, q,
                 make_float4(d.x * (m & 255) * factor, d.y * (m >> 8 & 255) * factor,
                             d.z * (m >> 16 & 255) * factor, d.w * (m >> 24) * factor));
    }
    done = n / 4 * 4;
  }
  for (long long i = done + first_index(); i < n; i += index_step())
    dx[i] = dy[i] * mask[i] * factor;
}
