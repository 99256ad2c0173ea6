// <cuda_pipeline.h>: all of it is in copies.h.
#pragma once
