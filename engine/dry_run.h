#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/ops.h"

namespace vox {

struct Node;  // engine/tape.h

/// What a program is at when it asks for memory.
enum class Stage : std::uint8_t { parameters, moments, inputs, forward, backward, update };

/// A stretch of a run: one operator, one operator's gradient rule, or one of the other stages.
struct DryStep {
  Stage stage = Stage::forward;
  std::string op;     ///< "conv3d"
  std::string layer;  ///< "encoder.0.conv1": of the operator, or of the last one before it that has parameters
  Shape output;       ///< of the operator
};

inline constexpr std::size_t kNotReleased = std::numeric_limits<std::size_t>::max();

/// A block that was asked for. Times count requests and releases; steps are indices into DryRun::steps().
struct DryBlock {
  std::size_t bytes = 0;  ///< as memory_report() counts it
  Device device = Device::cpu;
  std::size_t born = 0;
  std::size_t died = kNotReleased;  ///< the time of its release
  std::size_t born_step = 0;
  std::size_t died_step = kNotReleased;
  bool outlives_forward = false;   ///< lived when a backward pass began
  bool outlives_backward = false;  ///< lived when a backward pass ended
};

/// While one lives, everything on this thread runs as it always does, but kernels and copies are left out and memory is
/// address space that nobody touches: its values read as zeros. So what is asked for, in which sizes and in which order
/// is what a real run asks for, whatever the operators become, and takes milliseconds at any size. Needs no GPU.
/// Tensors made in a dry run may outlive it; tensors made before it may be used in it, and do not change.
class DryRun {
 public:
  DryRun();
  ~DryRun();
  DryRun(const DryRun&) = delete;
  DryRun& operator=(const DryRun&) = delete;
  DryRun(DryRun&&) = delete;
  DryRun& operator=(DryRun&&) = delete;

  [[nodiscard]] static DryRun* current();  ///< of this thread; null outside

  void enter(Stage);                                                  ///< what follows belongs to this stage
  void name_layer(const Tensor& parameter, const std::string& name);  ///< "encoder.0.conv1.weight"

  [[nodiscard]] const std::vector<DryBlock>& blocks() const { return blocks_; }  ///< in the order of their requests
  [[nodiscard]] const std::vector<DryStep>& steps() const { return steps_; }
  [[nodiscard]] std::size_t time() const { return time_; }  ///< of the next request or release

  // What follows is for storage.cpp and tape.cpp.

  [[nodiscard]] std::byte* allocate(std::size_t bytes, Device);
  static void release(std::byte*, std::size_t bytes) noexcept;
  void ran(Op, const Tensor& y, std::span<const Tensor> inputs);  ///< the forward pass of an operator is over
  void recorded(const Node&);                                     ///< ... and this is what the tape keeps of it
  void runs_backward(const Node&);                                ///< its gradient rule comes now

  /// Marks what lives when a backward pass begins and when it ends.
  class BackwardPass {
   public:
    BackwardPass();
    ~BackwardPass();
    BackwardPass(const BackwardPass&) = delete;
    BackwardPass& operator=(const BackwardPass&) = delete;
    BackwardPass(BackwardPass&&) = delete;
    BackwardPass& operator=(BackwardPass&&) = delete;
  };

 private:
  void mark_live(bool DryBlock::*mark);
  [[nodiscard]] std::size_t step_now() const { return open_ ? steps_.size() - 1 : steps_.size(); }

  std::vector<DryBlock> blocks_;
  std::vector<DryStep> steps_;
  bool open_ = false;  ///< the last of steps_ goes on; else the next operator will tell what this is
  std::size_t time_ = 0;
  std::string layer_;
  std::unordered_map<const std::byte*, std::size_t> live_;         ///< to the index in blocks_
  std::unordered_map<const std::byte*, std::string> layers_;       ///< by the address of a parameter
  std::unordered_map<std::uint64_t, std::size_t> step_of_serial_;  ///< of a recorded operator
};

}  // namespace vox
