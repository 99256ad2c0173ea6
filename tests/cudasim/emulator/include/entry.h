// The way into a kernel: its arguments are unpacked by its own parameter types.
#pragma once

namespace cuh {

template <class... P>
struct Call {
  void (*kernel)(P...);
  void** arguments;

  template <size_t... I>
  CUH_MACHINE void apply(std::index_sequence<I...>) {
    kernel(*(std::remove_reference_t<P>*)arguments[I]...);
  }
  CUH_MACHINE static void body(void* call) {
    ((Call*)call)->apply(std::index_sequence_for<P...>());
  }
};

template <class... P>
int launch(void (*kernel)(P...), void** arguments, const CuhLaunch* launch) {
  Call<P...> call{kernel, arguments};
  return cuh_run(&Call<P...>::body, &call, launch);
}

// What a parameter is, in one number: its kind times 1000, and its size.
template <class T>
constexpr int kind() {
  int family = std::is_pointer<T>::value          ? 1
               : std::is_floating_point<T>::value ? 2
               : std::is_integral<T>::value       ? 3
                                                  : 4;
  return family * 1000 + (int)sizeof(T);
}

template <class... P>
int kinds(void (*)(P...), int* out) {
  int count = 0;
  ((out[count++] = kind<P>()), ...);
  return count;
}

}  // namespace cuh

#define CUH_EXPORT(number, most_threads, ...)                                     \
  extern "C" int cuh_launch_##number(void** arguments, const CuhLaunch* launch) { \
    return cuh::launch(__VA_ARGS__, arguments, launch);                           \
  }                                                                               \
  extern "C" int cuh_kinds_##number(int* out) {                                   \
    return cuh::kinds(__VA_ARGS__, out);                                          \
  }                                                                               \
  extern "C" int cuh_most_threads_##number() {                                    \
    return most_threads;                                                          \
  }
