#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/measure/clocks.h"
#include "model/loss.h"
#include "model/optimizer.h"
#include "model/step_plan.h"

namespace vox::bench {

/// One size of whole-network work. Text fields are as on the command line.
struct LabOptions {
  std::string device = "cpu";
  std::string dtype = "f32";
  std::int64_t size = 64;
  std::int64_t batch = 2;
  std::vector<std::int64_t> widths{16, 32, 64, 128, 256};
  std::string fusion = "on";
};

struct Phase {
  const char* name;
  Times times;
};

/// The seed network with its optimiser and one batch in memory: whole training steps and inference passes, each in its
/// planned arena, as training and segmenting have them.
class Lab {
 public:
  explicit Lab(const LabOptions&);

  /// "data": from a batch as the loader gives it to tensors on the device. "forward", "loss", "backward", "update".
  [[nodiscard]] std::vector<Phase> train();
  /// "data", and "forward" with its softmax.
  [[nodiscard]] std::vector<Phase> infer();

  /// Is called in every step or pass as its batch is there.
  void on_start(std::function<void()> call) { on_start_ = std::move(call); }

  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] const UNet3d& net() const { return net_; }
  [[nodiscard]] double loss() const { return last_loss_; }

 private:
  /// Work submitted before is done first, and `work` is waited for.
  template <class Work> [[nodiscard]] Phase phase(const char* name, const Work& work) const;
  void load_images();
  void load_labels();
  /// Made the first time, while nothing else holds the arena.
  template <class Plan> [[nodiscard]] const ArenaPlan& arena_of(std::optional<StepPlan>&, const Plan&);

  Device device_;
  LabOptions options_;
  UNet3d net_;
  Adam adam_;
  std::vector<float> host_images_;
  std::vector<std::uint8_t> host_labels_;
  std::optional<StepPlan> training_;
  std::optional<StepPlan> inference_;
  Tensor images_;
  Tensor labels_;
  std::function<void()> on_start_;
  std::uint32_t step_ = 0;
  double last_loss_ = 0;
};

/// What counts as one step: all phases but "data", which training does while it computes.
[[nodiscard]] Times total_of(const std::vector<Phase>&);

void wait_for(Device);  ///< until all submitted work is done

}  // namespace vox::bench
