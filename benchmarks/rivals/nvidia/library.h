#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/types.h"
#include "kernels/conv3d.h"

/// What cudnn.cpp and cublas.cpp each answer, one of them in each program.
namespace vox::nvidia {

/// One pass of a convolution.
struct ConvTask {
  Conv3dGeometry geometry;
  Conv3dPass pass = Conv3dPass::correlate;
  DType dtype = DType::f32;
  bool tf32 = false;  ///< may f32 be rounded to TF32 for the tensor cores?
  int plans = 4;      ///< of those that cuDNN's heuristics name first, tried before the fastest is measured
};

/// One of the library's ways to the result, on memory of its own.
struct Way {
  std::string name;  ///< "ndhwc"
  std::function<void()> run;
};

[[nodiscard]] std::string library_name();  ///< "cuDNN 9.17.1"
/// cuDNN: the fastest plan for NDHWC and for NCDHW. cuBLAS: where no two windows overlap, the matrix product alone,
/// without moving its results to their voxels. Empty where the library has no way.
[[nodiscard]] std::vector<Way> ways_of(const ConvTask&);

}  // namespace vox::nvidia
