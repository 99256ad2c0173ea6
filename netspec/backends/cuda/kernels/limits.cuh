// Numbers of <float.h>, which NVRTC has not.
#pragma once

#define LARGEST 3.402823466e+38f
#define SMALLEST_NORMAL 1.175494351e-38f
#define INFINITE __int_as_float(0x7f800000)
