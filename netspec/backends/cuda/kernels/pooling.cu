// Pooling of planes: x (planes, H, W), y (planes, OH, OW); see reference/pooling.py and
// reference/stochastic_pooling.py.  A thread has one output, or, in gradients, one
// pixel, and adds up what the windows over it give in the order of the windows' places.
#include "limits.cuh"
#include "map.cuh"
#include "philox.cuh"
#include "reduce.cuh"

// The pixels of one output's window that the image has, and where the window starts.
struct Window {
  long long plane;
  int row, column, top, bottom, left, right;
};

__device__ inline Window window_of(long long i, int height, int width, int out_h,
                                   int out_w, int kernel_h, int kernel_w, int stride_h,
                                   int stride_w, int pad_h, int pad_w) {
  const long long line = quotient(i, out_w), plane = quotient(line, out_h);
  Window w;
  w.plane = plane;
  w.row = (int)(line - plane * out_h) * stride_h - pad_h;
  w.column = (int)(i - line * out_w) * stride_w - pad_w;
  w.top = max(w.row, 0);
  w.bottom = min(w.row + kernel_h, height);
  w.left = max(w.column, 0);
  w.right = min(w.column + kernel_w, width);
  return w;
}

// Places of a window, cut off at the padded image: what an average is divided by.
__device__ inline float area_of(int row, int column, int height, int width,
                                int kernel_h, int kernel_w, int pad_h, int pad_w) {
  const int high = min(row + kernel_h, height + pad_h) - row;
  const int wide = min(column + kernel_w, width + pad_w) - column;
  return (float)high * (float)wide;
}

// f(place, pixel) for each pixel of a window, row by row.
template <class F>
__device__ inline void over_window(const Window& w, int height, int width, int kernel_w,
                                   F f) {
  const long long base = w.plane * height * width;
  for (int h = w.top; h < w.bottom; ++h)
    for (int c = w.left; c < w.right; ++c)
      f((h - w.row) * kernel_w + c - w.column, base + (long long)h * width + c);
}

// Maxima of windows of 2 x 2 side by side: a row of a window is one load of 8 bytes.
template <class I>
__device__ inline void maxima_of_four(const float* x, float* y, I* index, int keeps,
                                      long long n, int height, int width, int out_h,
                                      int out_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const long long line = quotient(i, out_w), plane = quotient(line, out_h);
    const int row = (int)(line - plane * out_h) * 2;
    const long long at = (plane * height + row) * width + (i - line * out_w) * 2;
    const float2 none = make_float2(-LARGEST, -LARGEST);
    const float2 above = *reinterpret_cast<const float2*>(x + at);
    const float2 below =
        row + 1 < height ? *reinterpret_cast<const float2*>(x + at + width) : none;
    const float values[4] = {above.x, above.y, below.x, below.y};
    float most = -LARGEST;
    int best = 4;
#pragma unroll
    for (int place = 0; place < 4; ++place)
      if (values[place] > most) {
        most = values[place];
        best = place;
      }
    y[i] = most;
    if (keeps) index[i] = (I)best;
  }
}

// Whether windows are 2 x 2, side by side, and cover whole rows.
__device__ inline bool is_of_four(const float* x, int width, int kernel_h, int kernel_w,
                                  int stride_h, int stride_w, int pad_h, int pad_w) {
  return kernel_h == 2 && kernel_w == 2 && stride_h == 2 && stride_w == 2 &&
         (pad_h | pad_w) == 0 && width % 2 == 0 && ((unsigned long long)x & 7) == 0;
}

template <class I>
__device__ inline void maxima(const float* x, float* y, I* index, int keeps,
                              long long n, int height, int width, int out_h, int out_w,
                              int kernel_h, int kernel_w, int stride_h, int stride_w,
                              int pad_h, int pad_w) {
  if (is_of_four(x, width, kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w)) {
    maxima_of_four(x, y, index, keeps, n, height, width, out_h, out_w);
    return;
  }
  for (long long i = first_index(); i < n; i += index_step()) {
    const Window w = window_of(i, height, width, out_h, out_w, kernel_h, kernel_w,
                               stride_h, stride_w, pad_h, pad_w);
    float most = -LARGEST;
    int best = kernel_h * kernel_w;
    over_window(w, height, width, kernel_w, [&](int place, long long at) {
      const float v = x[at];
      if (v > most) {
        most = v;
        best = place;
      }
    });
    y[i] = most;
    if (keeps) index[i] = (I)best;
  }
}

extern "C" __global__ void max_pool_uint8(const float* x, float* y,
                                          unsigned char* index, long long n, int height,
                                          int width, int out_h, int out_w, int kernel_h,
                                          int kernel_w, int stride_h, int stride_w,
                                          int pad_h, int pad_w) {
  maxima(x, y, index, 1, n, height, width, out_h, out_w, kernel_h, kernel_w, stride_h,
         stride_w, pad_h, pad_w);
}

extern "C" __global__ void max_pool_int32(const float* x, float* y, int* index,
                                          long long n, int height, int width, int out_h,
                                          int out_w, int kernel_h, int kernel_w,
                                          int stride_h, int stride_w, int pad_h,
                                          int pad_w) {
  maxima(x, y, index, 1, n, height, width, out_h, out_w, kernel_h, kernel_w, stride_h,
         stride_w, pad_h, pad_w);
}

extern "C" __global__ void max_pool(const float* x, float* y, long long n, int height,
                                    int width, int out_h, int out_w, int kernel_h,
                                    int kernel_w, int stride_h, int stride_w, int pad_h,
                                    int pad_w) {
  maxima<int>(x, y, nullptr, 0, n, height, width, out_h, out_w, kernel_h, kernel_w,
              stride_h, stride_w, pad_h, pad_w);
}

// f(place, output) for each window over pixel i, in the order of the places.
template <class F>
__device__ inline void over_outputs(long long i, int height, int width, int out_h,
                                    int out_w, int kernel_h, int kernel_w, int stride_h,
                                    int stride_w, int pad_h, int pad_w, F f) {
  const long long line = quotient(i, width), plane = quotient(line, height);
  const int h = (int)(line - plane * height) + pad_h;
  const int c = (int)(i - line * width) + pad_w;
  const long long base = plane * out_h * out_w;
  for (int row = h % stride_h; row < kernel_h && row <= h; row += stride_h) {
    const int out_row = (h - row) / stride_h;
    if (out_row >= out_h) continue;
    for (int column = c % stride_w; column < kernel_w && column <= c;
         column += stride_w) {
      const int out_column = (c - column) / stride_w;
      if (out_column < out_w)
        f(row * kernel_w + column, base + (long long)out_row * out_w + out_column,
          out_row, out_column);
    }
  }
}

template <class I>
__device__ inline void return_maxima(const float* dy, const I* index, float* dx,
                                     long long n, int height, int width, int out_h,
                                     int out_w, int kernel_h, int kernel_w,
                                     int stride_h, int stride_w, int pad_h, int pad_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    float sum = 0.f;
    over_outputs(i, height, width, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w,
                 pad_h, pad_w, [&](int place, long long at, int, int) {
                   if ((int)index[at] == place) sum += dy[at];
                 });
    dx[i] = sum;
  }
}

extern "C" __global__ void max_pool_backward_uint8(
    const float* dy, const unsigned char* index, float* dx, long long n, int height,
    int width, int out_h, int out_w, int kernel_h, int kernel_w, int stride_h,
    int stride_w, int pad_h, int pad_w) {
  return_maxima(dy, index, dx, n, height, width, out_h, out_w, kernel_h, kernel_w,
                stride_h, stride_w, pad_h, pad_w);
}

extern "C" __global__ void max_pool_backward_int32(const float* dy, const int* index,
                                                   float* dx, long long n, int height,
                                                   int width, int out_h, int out_w,
                                                   int kernel_h, int kernel_w,
                                                   int stride_h, int stride_w,
                                                   int pad_h, int pad_w) {
  return_maxima(dy, index, dx, n, height, width, out_h, out_w, kernel_h, kernel_w,
                stride_h, stride_w, pad_h, pad_w);
}

template <class I>
__device__ inline void positions(const I* index, float* mask, long long n, int height,
                                 int width, int out_h, int out_w, int kernel_h,
                                 int kernel_w, int stride_h, int stride_w, int pad_h,
                                 int pad_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const Window w = window_of(i, height, width, out_h, out_w, kernel_h, kernel_w,
                               stride_h, stride_w, pad_h, pad_w);
    const int place = (int)index[i], row = w.row + place / kernel_w;
    const bool none = place == kernel_h * kernel_w;
    mask[i] = none ? -1.f : (float)(row * width + w.column + place % kernel_w);
  }
}

extern "C" __global__ void max_pool_mask_uint8(const unsigned char* index, float* mask,
                                               long long n, int height, int width,
                                               int out_h, int out_w, int kernel_h,
                                               int kernel_w, int stride_h, int stride_w,
                                               int pad_h, int pad_w) {
  positions(index, mask, n, height, width, out_h, out_w, kernel_h, kernel_w, stride_h,
            stride_w, pad_h, pad_w);
}

extern "C" __global__ void max_pool_mask_int32(const int* index, float* mask,
                                               long long n, int height, int width,
                                               int out_h, int out_w, int kernel_h,
                                               int kernel_w, int stride_h, int stride_w,
                                               int pad_h, int pad_w) {
  positions(index, mask, n, height, width, out_h, out_w, kernel_h, kernel_w, stride_h,
            stride_w, pad_h, pad_w);
}

extern "C" __global__ void average_pool(const float* x, float* y, long long n,
                                        int height, int width, int out_h, int out_w,
                                        int kernel_h, int kernel_w, int stride_h,
                                        int stride_w, int pad_h, int pad_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const Window w = window_of(i, height, width, out_h, out_w, kernel_h, kernel_w,
                               stride_h, stride_w, pad_h, pad_w);
    float sum = 0.f;
    over_window(w, height, width, kernel_w, [&](int, long long at) { sum += x[at]; });
    y[i] =
        sum / area_of(w.row, w.column, height, width, kernel_h, kernel_w, pad_h, pad_w);
  }
}

// y[plane] = the mean of a whole plane, for a row of threads.
extern "C" __global__ void average_planes(const float* x, float* y, long long planes,
                                          int pixels) {
  const long long plane = (long long)blockIdx.x * blockDim.y + threadIdx.y;
  if (plane >= planes) return;
  float sum = 0.f;
  for (int i = threadIdx.x; i < pixels; i += blockDim.x) sum += x[plane * pixels + i];
  sum = row_sum(sum);
  if (threadIdx.x == 0) y[plane] = sum / (float)pixels;
}

extern "C" __global__ void average_pool_backward(const float* dy, float* dx,
                                                 long long n, int height, int width,
                                                 int out_h, int out_w, int kernel_h,
                                                 int kernel_w, int stride_h,
                                                 int stride_w, int pad_h, int pad_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    float sum = 0.f;
    over_outputs(i, height, width, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w,
                 pad_h, pad_w, [&](int, long long at, int row, int column) {
                   sum += dy[at] / area_of(row * stride_h - pad_h,
                                           column * stride_w - pad_w, height, width,
                                           kernel_h, kernel_w, pad_h, pad_w);
                 });
    dx[i] = sum;
  }
}

// Draws a value of each window; each is outputs of a sample.
template <class I>
__device__ inline void draw_values(const float* x, float* y, I* index, long long n,
                                   int height, int width, int out_h, int out_w,
                                   int kernel_h, int kernel_w, int stride_h,
                                   int stride_w, int pad_h, int pad_w, long long each,
                                   unsigned first_sample, unsigned low, unsigned high,
                                   unsigned key0, unsigned key1) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const Window w = window_of(i, height, width, out_h, out_w, kernel_h, kernel_w,
                               stride_h, stride_w, pad_h, pad_w);
    const long long sample = quotient(i, each), within = i - sample * each;
    const Words four_words = philox(
        (unsigned)(within / 4), first_sample + (unsigned)sample, low, high, key0, key1);
    const unsigned lane = (unsigned)within & 3;
    const unsigned word = lane == 0   ? four_words.word[0]
                          : lane == 1 ? four_words.word[1]
                          : lane == 2 ? four_words.word[2]
                                      : four_words.word[3];
    float whole = 0.f, passed = 0.f, drawn = 0.f;
    over_window(w, height, width, kernel_w, [&](int, long long at) { whole += x[at]; });
    const float goal = (float)word * 2.3283064365386963e-10f * whole;
    const int none = kernel_h * kernel_w;
    int best = none;
    over_window(w, height, width, kernel_w, [&](int place, long long at) {
      passed += x[at];
      if (best == none && passed >= goal) {
        best = place;
        drawn = x[at];
      }
    });
    y[i] = drawn;
    index[i] = (I)best;
  }
}

extern "C" __global__ void stochastic_pool_uint8(
    const float* x, float* y, unsigned char* index, long long n, int height, int width,
    int out_h, int out_w, int kernel_h, int kernel_w, int stride_h, int stride_w,
    int pad_h, int pad_w, long long each, unsigned first_sample, unsigned low,
    unsigned high, unsigned key0, unsigned key1) {
  draw_values(x, y, index, n, height, width, out_h, out_w, kernel_h, kernel_w, stride_h,
              stride_w, pad_h, pad_w, each, first_sample, low, high, key0, key1);
}

extern "C" __global__ void stochastic_pool_int32(
    const float* x, float* y, int* index, long long n, int height, int width, int out_h,
    int out_w, int kernel_h, int kernel_w, int stride_h, int stride_w, int pad_h,
    int pad_w, long long each, unsigned first_sample, unsigned low, unsigned high,
    unsigned key0, unsigned key1) {
  draw_values(x, y, index, n, height, width, out_h, out_w, kernel_h, kernel_w, stride_h,
              stride_w, pad_h, pad_w, each, first_sample, low, high, key0, key1);
}

// y = sum of squares by sum, and the sums for the gradient.
extern "C" __global__ void expected_pool(const float* x, float* y, long long n,
                                         int height, int width, int out_h, int out_w,
                                         int kernel_h, int kernel_w, int stride_h,
                                         int stride_w, int pad_h, int pad_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const Window w = window_of(i, height, width, out_h, out_w, kernel_h, kernel_w,
                               stride_h, stride_w, pad_h, pad_w);
    float sum = 0.f, squares = 0.f;
    over_window(w, height, width, kernel_w, [&](int, long long at) {
      sum += x[at];
      squares += x[at] * x[at];
    });
    y[i] = sum > 0.f ? squares / sum : 0.f;
  }
}

// share = dy by the sum of its window, 0 where that is not above 0.
extern "C" __global__ void window_shares(const float* x, const float* dy, float* share,
                                         long long n, int height, int width, int out_h,
                                         int out_w, int kernel_h, int kernel_w,
                                         int stride_h, int stride_w, int pad_h,
                                         int pad_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    const Window w = window_of(i, height, width, out_h, out_w, kernel_h, kernel_w,
                               stride_h, stride_w, pad_h, pad_w);
    float sum = 0.f;
    over_window(w, height, width, kernel_w, [&](int, long long at) { sum += x[at]; });
    share[i] = sum > 0.f ? dy[i] / sum : 0.f;
  }
}

extern "C" __global__ void expected_pool_backward(const float* x, const float* y,
                                                  const float* share, float* dx,
                                                  long long n, int height, int width,
                                                  int out_h, int out_w, int kernel_h,
                                                  int kernel_w, int stride_h,
                                                  int stride_w, int pad_h, int pad_w) {
  for (long long i = first_index(); i < n; i += index_step()) {
    float sum = 0.f;
    const float twice = 2.f * x[i];
    over_outputs(i, height, width, out_h, out_w, kernel_h, kernel_w, stride_h, stride_w,
                 pad_h, pad_w, [&](int, long long at, int, int) {
                   sum += share[at] * (twice - y[at]);
                 });
    dx[i] = sum;
  }
}
