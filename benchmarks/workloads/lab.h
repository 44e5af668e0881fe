#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/measure/device_clock.h"
#include "model/loss.h"
#include "model/optimizer.h"
#include "model/step_graph.h"
#include "model/step_plan.h"

namespace vox::bench {

/// One size of whole-network work. Text fields are as on the command line.
struct LabOptions {
  std::string device = "cpu";
  std::string dtype = "f32";
  std::int64_t size = 64;
  std::int64_t batch = 2;
  std::string preset = "seed";
  std::vector<std::int64_t> widths;  ///< channels per level, shallow to deep; empty: the preset's
  std::string fusion = "on";
  std::string graph = "auto";
  bool recompute = false;  ///< make again what backward needs, where `voxgrad train` would keep it: on a GPU with room
};

/// A preset's network with other channels per level, shallow to deep, if there are any. Throws Error for one that
/// cannot be.
[[nodiscard]] UNetConfig config_of(const std::string& preset, const std::vector<std::int64_t>& widths);

struct Phase {
  const char* name;
  Times times;
};

/// A network with its optimiser and one batch in memory: whole training steps and inference passes, each in its
/// planned arena, as training and segmenting have them.
class Lab {
 public:
  explicit Lab(const LabOptions&);

  /// "data": from a batch as the loader gives it to tensors on the device. "forward", "loss", "backward", "update": on
  /// a GPU by its events, without waiting for one phase before the next is submitted. Where steps are graphs "graph"
  /// instead of these four, or "step" for one that was submitted kernel by kernel.
  [[nodiscard]] std::vector<Phase> train();
  /// "data", and "forward" with its softmax.
  [[nodiscard]] std::vector<Phase> infer();

  /// Is called in every step or pass as its batch is there.
  void on_start(std::function<void()> call) { on_start_ = std::move(call); }

  [[nodiscard]] Device device() const { return device_; }
  [[nodiscard]] const UNet3d& net() const { return net_; }
  [[nodiscard]] double loss() const { return last_loss_; }
  /// Of tensors since reset_peak(). A graph asks for none of them: its step takes what it was captured with, the
  /// plan's.
  [[nodiscard]] std::size_t peak_tensor_bytes() const;

 private:
  template <class Work> [[nodiscard]] Phase data_phase(const Work& load) const;  ///< by the clocks, and waited for
  void add_phases(std::vector<Phase>&, const std::vector<const char*>& names);   ///< between the points of the clock
  [[nodiscard]] Phase graph_phase(const ArenaScope&);
  void load_images();
  void load_labels();
  /// Made the first time, while nothing else holds the arena.
  template <class Plan> [[nodiscard]] const ArenaPlan& arena_of(std::optional<StepPlan>&, const Plan&);

  Device device_;
  LabOptions options_;
  DeviceClock clock_;
  UNet3d net_;
  Optimizer adam_;
  StepGraphs graphs_;
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

/// Throws MemoryError where a training step, or an inference pass, takes more memory than there is: by its plan, before
/// anything is made. what: who takes it.
void want_fit(const LabOptions&, bool training, const std::string& what);

/// What counts as one step: all phases but "data", which training does while it computes.
[[nodiscard]] Times total_of(const std::vector<Phase>&);

}  // namespace vox::bench
