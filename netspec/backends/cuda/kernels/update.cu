// Update rules over the parameter arena, one pass each; see reference/update.py.
//
// The table has the segments' starts and stops, and factors on the rate, l2 and l1 that
// hold for all: it does not change when only the learning rate does.
#include "map.cuh"

const long long CHUNK = 4096;  // elements that a block takes at a time

// The first segment that ends behind an element.
__device__ inline int segment_at(const long long* stop, int segments, long long at) {
  int low = 0, high = segments;
  while (low < high) {
    const int middle = (low + high) / 2;
    if (stop[middle] > at)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

struct Own {
  float rate, l2, l1;
};

// f(from, to, own) for the stretches of the segments that this block's chunks have.
template <class F>
__device__ inline void over_segments(const long long* start, const long long* stop,
                                     const double* factors, int segments, double rate,
                                     double l2, double l1, F f) {
  if (segments == 0) return;
  const long long end = stop[segments - 1], begin = start[0] / CHUNK * CHUNK;
  for (long long low = begin + blockIdx.x * CHUNK; low < end;
       low += gridDim.x * CHUNK) {
    const long long high = low + CHUNK;
    for (int s = segment_at(stop, segments, low); s < segments && start[s] < high;
         ++s) {
      const Own own = {(float)(rate * factors[s]), (float)(l2 * factors[segments + s]),
                       (float)(l1 * factors[2 * segments + s])};
      f(max(low, start[s]), min(high, stop[s]), own);
    }
  }
}

__device__ inline float sign_of(float v) { return v > 0.f ? 1.f : v < 0.f ? -1.f : v; }

__device__ inline float decayed(float g, float w, Own own) {
  if (own.l2 != 0.f) g += own.l2 * w;
  if (own.l1 != 0.f) g += own.l1 * sign_of(w);
  return g;
}

// Steps one history: rule(w, g, h, own) changes w and h.
template <class Rule>
__device__ inline void step_one(float* w, const float* gradient, float* h,
                                const long long* start, const long long* stop,
                                const double* factors, int segments, double rate,
                                double l2, double l1, float scale, Rule rule) {
  const bool vectors = takes_vectors(w, gradient, h);
  auto stretch = [=](long long from, long long to, Own own) {
    auto one = [=](float& weight, float g, float& history) {
      rule(weight, decayed(g * scale, weight, own), history, own);
    };
    long long at = from;
    if (vectors && from % 4 == 0) {
      for (long long q = from / 4 + threadIdx.x; q < to / 4; q += blockDim.x) {
        float4 v = four(w, q), past = four(h, q);
        const float4 g = four(gradient, q);
        one(v.x, g.x, past.x);
        one(v.y, g.y, past.y);
        one(v.z, g.z, past.z);
        one(v.w, g.w, past.w);
        store_four(w, q, v);
        store_four(h, q, past);
      }
      at = max(from, to / 4 * 4);
    }
    for (long long i = at + threadIdx.x; i < to; i += blockDim.x)
      one(w[i], gradient[i], h[i]);
  };
  over_segments(start, stop, factors, segments, rate, l2, l1, stretch);
}

// The same with two histories: rule(w, g, h, u, own).
template <class Rule>
__device__ inline void step_two(float* w, const float* gradient, float* h, float* u,
                                const long long* start, const long long* stop,
                                const double* factors, int segments, double rate,
                                double l2, double l1, Rule rule) {
  const bool vectors = takes_vectors(w, gradient, h, u);
  auto stretch = [=](long long from, long long to, Own own) {
    long long at = from;
    if (vectors && from % 4 == 0) {
      for (long long q = from / 4 + threadIdx.x; q < to / 4; q += blockDim.x) {
        float4 v = four(w, q), past = four(h, q), second = four(u, q);
        const float4 g = four(gradient, q);
        rule(v.x, g.x, past.x, second.x, own);
        rule(v.y, g.y, past.y, second.y, own);
        rule(v.z, g.z, past.z, second.z, own);
        rule(v.w, g.w, past.w, second.w, own);
        store_four(w, q, v);
        store_four(h, q, past);
        store_four(u, q, second);
      }
      at = max(from, to / 4 * 4);
    }
    for (long long i = at + threadIdx.x; i < to; i += blockDim.x)
      rule(w[i], gradient[i], h[i], u[i], own);
  };
  over_segments(start, stop, factors, segments, rate, l2, l1, stretch);
}

extern "C" __global__ void sgd(float* w, const float* gradient, float* velocity,
                               const long long* start, const long long* stop,
                               const double* factors, int segments, double rate,
                               double l2, double l1, float scale, float momentum) {
  step_one(w, gradient, velocity, start, stop, factors, segments, rate, l2, l1, scale,
           [=](float& weight, float g, float& v, Own own) {
             v = momentum * v + own.rate * g;
             weight -= v;
           });
}

extern "C" __global__ void nesterov(float* w, const float* gradient, float* velocity,
                                    const long long* start, const long long* stop,
                                    const double* factors, int segments, double rate,
                                    double l2, double l1, float scale, float momentum) {
  step_one(w, gradient, velocity, start, stop, factors, segments, rate, l2, l1, scale,
           [=](float& weight, float g, float& v, Own own) {
             const float before = momentum * v;
             v = before + own.rate * g;
             weight -= (1.f + momentum) * v - before;
           });
}

extern "C" __global__ void adagrad(float* w, const float* gradient, float* squares,
                                   const long long* start, const long long* stop,
                                   const double* factors, int segments, double rate,
                                   double l2, double l1, float scale, float delta) {
  step_one(w, gradient, squares, start, stop, factors, segments, rate, l2, l1, scale,
           [=](float& weight, float g, float& h, Own own) {
             h += g * g;
             weight -= own.rate * (g / (sqrtf(h) + delta));
           });
}

extern "C" __global__ void rmsprop(float* w, const float* gradient, float* squares,
                                   const long long* start, const long long* stop,
                                   const double* factors, int segments, double rate,
                                   double l2, double l1, float scale, float decay,
                                   float rest, float delta) {
  step_one(w, gradient, squares, start, stop, factors, segments, rate, l2, l1, scale,
           [=](float& weight, float g, float& h, Own own) {
             h = decay * h + rest * (g * g);
             weight -= own.rate * (g / (sqrtf(h) + delta));
           });
}

extern "C" __global__ void adadelta(float* w, const float* gradient, float* squares,
                                    float* updates, const long long* start,
                                    const long long* stop, const double* factors,
                                    int segments, double rate, double l2, double l1,
                                    float scale, float momentum, float rest,
                                    float delta) {
  step_two(w, gradient, squares, updates, start, stop, factors, segments, rate, l2, l1,
           [=](float& weight, float g, float& h, float& u, Own own) {
             g = decayed(g * scale, weight, own);
             h = momentum * h + rest * (g * g);
             const float update = g * sqrtf((u + delta) / (h + delta));
             u = momentum * u + rest * (update * update);
             weight -= own.rate * update;
           });
}

// Adam's change of both means, and what it takes from the weight.
__device__ inline float adams(float g, float& m, float& h, float rate, float momentum,
                              float rest, float momentum2, float rest2, float delta) {
  m = momentum * m + rest * g;
  h = momentum2 * h + rest2 * (g * g);
  return rate * (m / (sqrtf(h) + delta));
}

extern "C" __global__ void adam(float* w, const float* gradient, float* mean,
                                float* squares, const long long* start,
                                const long long* stop, const double* factors,
                                int segments, double rate, double l2, double l1,
                                float scale, float momentum, float rest,
                                float momentum2, float rest2, float delta) {
  step_two(w, gradient, mean, squares, start, stop, factors, segments, rate, l2, l1,
           [=](float& weight, float g, float& m, float& h, Own own) {
             g = decayed(g * scale, weight, own);
             weight -=
                 adams(g, m, h, own.rate, momentum, rest, momentum2, rest2, delta);
           });
}

// Adam's step on weights that decay by themselves.
extern "C" __global__ void adamw(float* w, const float* gradient, float* mean,
                                 float* squares, const long long* start,
                                 const long long* stop, const double* factors,
                                 int segments, double rate, double l2, double l1,
                                 float scale, float momentum, float rest,
                                 float momentum2, float rest2, float delta) {
  step_two(w, gradient, mean, squares, start, stop, factors, segments, rate, l2, l1,
           [=](float& weight, float g, float& m, float& h, Own own) {
             if (own.l2 != 0.f) weight -= own.l2 * weight;
             if (own.l1 != 0.f) weight -= own.l1 * sign_of(weight);
             weight -= adams(g * scale, m, h, own.rate, momentum, rest, momentum2,
                             rest2, delta);
           });
}

// mean += share (w - mean)
extern "C" __global__ void average(const float* w, float* mean, long long n,
                                   float share) {
  map(n, mean, [=](float v, float m) { return m + share * (v - m); }, w, mean);
}
