// CUDA C++ for g++: included before a kernel's own text, which stays as it is.
//
// Every header here is one subject.  What a kernel asks of the machine (barriers,
// shuffles, copies) ends in a call of the runtime, declared in runtime.h.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

#include "runtime.h"

#include "keywords.h"

#include "vectors.h"

#include "threads.h"

#include "warps.h"

#include "atomics.h"

#include "maths.h"

#include "copies.h"

#include "tensor_cores.h"

#include "entry.h"

#define memcpy cuh_memcpy
#define memset cuh_memset
