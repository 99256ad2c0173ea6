// Caffe's transformation of pictures; see netspec/data/transform.py.
#include "map.cuh"

// out[i] = (in - mean) * scale for each pixel of out (N, C, high, wide).  A place has
// row, column and 1 where the picture is mirrored.  mean has (C, H, W) elements, one a
// channel or one, as mean_size tells.  The host's bits: a difference and a product, each
// rounded, cannot be fused.
extern "C" __global__ void transform(const unsigned char* pictures, const int* places,
                                     const float* mean, float* out, long long n,
                                     int channels, int height, int width, int high,
                                     int wide, long long mean_size, float scale) {
  const long long whole = (long long)channels * height * width;
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long line = quotient(i, wide), plane = quotient(line, high);
    const long long picture = quotient(plane, channels);
    const int c = (int)(plane - picture * channels), column = (int)(i - line * wide);
    const int* place = places + 3 * picture;
    const int row = place[0] + (int)(line - plane * high);
    const int k = place[1] + (place[2] ? wide - 1 - column : column);
    const long long within = ((long long)c * height + row) * width + k;
    const long long at = mean_size == whole ? within : mean_size == 1 ? 0 : c;
    out[i] = ((float)pictures[picture * whole + within] - mean[at]) * scale;
  }
}
