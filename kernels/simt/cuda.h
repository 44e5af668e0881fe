#pragma once

/// What kernels/cuda/gpu.h shows to a compiler that is not nvcc: CUDA's names, executed on the CPU.

#include "kernels/base/queue.h"
#include "kernels/simt/builtins.h"
#include "kernels/simt/instructions.h"
#include "kernels/simt/intrinsics.h"
#include "kernels/simt/launch.h"

#define VOX_UNROLL
#define VOX_NO_UNROLL
#define VOX_SHARED(T, name, extents)                                                                                  \
  static char vox_key_##name; /* one per instance of a kernel template */                                             \
  using vox_type_##name = T extents;                                                                                  \
  vox_type_##name& name = *static_cast<vox_type_##name*>(::vox::simt::shared_array(                                   \
      &vox_key_##name, sizeof(vox_type_##name), alignof(vox_type_##name) < 16 ? 16 : alignof(vox_type_##name), #name, \
      {__FILE__, __LINE__, nullptr}))
#define VOX_DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(::vox::simt::shared_dynamic())
