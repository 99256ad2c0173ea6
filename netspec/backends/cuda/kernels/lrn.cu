// Local response normalisation; see reference/lrn.py.  Arrays are (outer, size, inner)
// around the axis of the window.  A thread slides a window over a run of values: two
// loads a value however wide the window; sums in double precision, so that what leaves
// takes with it what it brought.  Along rows of a plane neighbours are other threads',
// and a run is one value.
#include "map.cuh"

// Calls f(at, sum) for the values of each run, the sum of v (or v * v) over their
// windows.
template <class F>
__device__ inline void slide(const float* v, bool squares, long long outer, int size,
                             long long inner, int half, int run, F f) {
  const long long runs = (size + run - 1) / run, lines = runs * inner;
  for (long long t = first_index(); t < outer * lines; t += index_step()) {
    const long long o = quotient(t, lines), rest = t - o * lines;
    const int first = (int)quotient(rest, inner) * run;
    const long long base = o * size * inner + rest % inner;
    auto term = [=](int i) {
      const double value = v[base + i * inner];
      return squares ? value * value : value;
    };
    double sum = 0;
    for (int i = max(0, first - half); i < min(size, first + half); ++i) sum += term(i);
    for (int i = first; i < min(size, first + run); ++i) {
      if (i + half < size) sum += term(i + half);
      if (i > first && i - half > 0) sum -= term(i - half - 1);
      f(base + i * inner, (float)sum);
    }
  }
}

// s ^ -beta, without powf for the exponent of all known nets.
__device__ inline float faded(float s, float beta) {
  if (beta == 0.75f) return 1.f / (sqrtf(s) * sqrtf(sqrtf(s)));
  return powf(s, -beta);
}

// y = sums of v, or of its squares.
extern "C" __global__ void window_sums(const float* v, float* y, long long outer,
                                       int size, long long inner, int half, int run,
                                       int squares) {
  slide(v, squares, outer, size, inner, half, run,
        [=](long long at, float sum) { y[at] = sum; });
}

// y = x s^-beta, s = k + share times the sum of v.
extern "C" __global__ void respond(const float* v, const float* x, float* y,
                                   long long outer, int size, long long inner, int half,
                                   int run, int squares, float share, float beta,
                                   float k) {
  slide(v, squares, outer, size, inner, half, run,
        [=](long long at, float sum) { y[at] = x[at] * faded(k + share * sum, beta); });
}

// dx = dy s^-beta, ratio = dx x / s: the first step of the gradient.
extern "C" __global__ void ratios(const float* v, const float* x, const float* dy,
                                  float* dx, float* ratio, long long outer, int size,
                                  long long inner, int half, int run, int squares,
                                  float share, float beta, float k) {
  slide(v, squares, outer, size, inner, half, run, [=](long long at, float sum) {
    const float s = k + share * sum, slope = dy[at] * faded(s, beta);
    ratio[at] = slope * x[at] / s;
    dx[at] = slope;
  });
}

// dx -= share x times the sum of v.
extern "C" __global__ void subtract(const float* v, const float* x, float* dx,
                                    long long outer, int size, long long inner,
                                    int half, int run, float share) {
  slide(v, false, outer, size, inner, half, run,
        [=](long long at, float sum) { dx[at] -= share * x[at] * sum; });
}
