#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/types.h"

namespace vox::gpu_bench {

/// Somebody else's way to the same result, on memory of its own.
struct Rival {
  std::string name;  ///< one of kRivalNames
  std::function<void()> run;
};
inline constexpr const char* kRivalNames[] = {"cudnn ndhwc",      "cudnn ncdhw",      "cublas",
                                              "cudnn tf32 ndhwc", "cudnn tf32 ncdhw", "cublas tf32"};

/// Two algorithms' results on the same random inputs, each in memory that was NaN before.
struct Comparison {
  std::string against;  ///< the plainer algorithm
  double error = 0;     ///< ||ours - theirs|| / ||theirs||, NaN where a value is
  double allowed = 0;   ///< by their roundings
};

/// One kernel at one shape, ready to run: the functions own the memory they work on.
struct Case {
  std::function<void()> run;
  double flops = 0;  ///< multiplies and adds of the definition; 0 for what only moves data
  double bytes = 0;  ///< the least a kernel must read and write, padding channels not counted
  std::string algorithm = {};
  std::vector<Rival> rivals = {};
  std::function<Comparison()> compare = {};  ///< empty where there is one algorithm only
};

/// A case that takes no memory before its turn comes.
struct Plan {
  std::string kernel;  ///< "conv forward"
  std::string shape;   ///< "16-32 64^3"
  DType dtype = DType::f32;
  std::int64_t batch = 1;
  std::function<Case()> make;
};

/// The network whose shapes are measured.
struct NetShape {
  std::int64_t size = 128;  ///< voxels along each axis of the images
  std::vector<std::int64_t> widths{16, 32, 64, 128, 256};
  std::int64_t in_channels = 4;
  std::int64_t classes = 4;
  std::int64_t batch = 1;
  DType dtype = DType::f32;
  Device device = Device::cuda;
  int rival_plans = 4;  ///< of cuDNN, tried before the best is measured; 0: no rivals

  [[nodiscard]] VolumeShape level(std::size_t l, std::int64_t channels) const {
    const std::int64_t side = size >> l;
    return {.n = batch, .c = channels, .d = side, .h = side, .w = side};
  }
};

[[nodiscard]] std::vector<Plan> conv_plans(const NetShape&);
[[nodiscard]] std::vector<Plan> block_plans(const NetShape&);  ///< batch norm, ReLU, dropout, pooling, concat
[[nodiscard]] std::vector<Plan> loss_plans(const NetShape&);
[[nodiscard]] std::vector<Plan> adam_plans(const NetShape&);

}  // namespace vox::gpu_bench
