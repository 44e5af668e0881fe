#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/arena.h"
#include "engine/ranks/rank_sums.h"
#include "model/extents.h"
#include "model/loss.h"
#include "model/optimizer.h"
#include "model/unet3d.h"

namespace vox {

/// What memory is for.
enum class Use : std::uint8_t {
  parameters,  ///< weights, and the running statistics of batch norm
  moments,     ///< the optimiser's, and averaged weights
  inputs,      ///< images and labels: of this step, and of the next, which is read meanwhile
  kept,        ///< activations that a gradient rule reads
  passed,      ///< activations that go from operator to operator and are not kept
  gradients,   ///< of activations
  parameter_gradients,
  scratch,  ///< asked for and given back by one operator
  count_
};
inline constexpr std::size_t kUses = static_cast<std::size_t>(Use::count_);
[[nodiscard]] std::string_view name(Use);
using UseBytes = std::array<std::size_t, kUses>;

/// The tensors of one step, exactly: found by running it without computing (engine/dry_run.h).
struct StepPlan {
  std::size_t peak_bytes = 0;     ///< most bytes of live tensors at once: what memory_report() says after such a step
  std::string peak_at;            ///< "backward of conv3d_concat, decoder.3.conv1, 1x16x128x128x128"
  UseBytes at_peak{};             ///< what those bytes are for; their sum is peak_bytes
  UseBytes most{};                ///< the most of each at any time
  ArenaPlan arena;                ///< where the blocks lie that do not outlive the step
  std::size_t outside_bytes = 0;  ///< what the others take from the system
  [[nodiscard]] std::size_t system_bytes() const { return arena.bytes + outside_bytes; }
};

struct StepRequest {
  UNetConfig config;
  DType dtype = DType::f32;
  Device device = Device::cpu;
  Extents extents = cube(128);  ///< of a case, or a patch or window of it
  std::int64_t batch = 1;
  std::int64_t micro_batch = 0;  ///< cases at a time; 0: the batch
  int rank = 0;                  ///< whose share of them is planned (engine/ranks/rank_cases.h)
  int ranks = 1;
  Reduce reduce = Reduce::ordered;
  LossOptions loss{};
  OptimizerOptions optimizer{};
  double ema = 0;  ///< decay of averaged weights; 0: there are none
  Fusion fusion = Fusion::on;
};

/// Of a training step as Training does it: network and optimiser are there, the next batch is read during the step.
[[nodiscard]] StepPlan plan_training(const StepRequest&);
/// Of the whole batch's forward pass without a tape, and the softmax behind it.
[[nodiscard]] StepPlan plan_inference(const StepRequest&);

/// Does a step take no more than this from the system? Not if it is refused for another reason, either.
[[nodiscard]] bool training_fits(const StepRequest&, std::size_t system_bytes);
/// The largest micro-batch, at most the batch, whose training step takes no more than this from the system; 0: none.
[[nodiscard]] std::int64_t largest_micro_batch(const StepRequest&, std::size_t system_bytes);

}  // namespace vox
