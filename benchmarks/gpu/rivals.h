#pragma once

#include <string>

#include "benchmarks/gpu/case.h"
#include "kernels/conv3d.h"

namespace vox::gpu_bench {

/// One pass of a convolution for the libraries of others; all of them work in the same memory.
struct ConvTask {
  Conv3dGeometry geometry;
  Conv3dPass pass = Conv3dPass::correlate;
  DType dtype = DType::f32;
  int plans = 4;  ///< see NetShape
};

/// cuDNN's fastest of the plans its heuristics name first, NDHWC and NCDHW; empty in a build without cuDNN.
[[nodiscard]] std::vector<Rival> cudnn_rivals(const ConvTask&);
[[nodiscard]] std::string cudnn_version();  ///< "9.17.1", or why there is none

/// Where no two windows overlap: the matrix product alone, without moving its results to their voxels.
[[nodiscard]] std::vector<Rival> cublas_rivals(const ConvTask&);
[[nodiscard]] std::string cublas_version();

}  // namespace vox::gpu_bench
