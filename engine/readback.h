#pragma once

#include <memory>
#include <vector>

#include "engine/tensor.h"

namespace vox {

/// Values of small tensors on their way to the host. On a GPU the copies are work of the stream like any other: the
/// host may submit more before it waits for them, so that the GPU is not idle meanwhile.
class Readback {
 public:
  explicit Readback(Device);
  ~Readback();  ///< waits for copies under way
  Readback(const Readback&) = delete;
  Readback& operator=(const Readback&) = delete;
  Readback(Readback&&) = delete;
  Readback& operator=(Readback&&) = delete;

  /// Submits the copies of plain tensors in f32 or f64, and releases the tensors. What is under way must have been
  /// waited for.
  void start(std::vector<Tensor>);
  /// The values of the tensors, one after another.
  [[nodiscard]] std::vector<double> wait();

 private:
  struct Lane;  ///< of a GPU: page-locked memory and an event
  std::unique_ptr<Lane> lane_;
  std::vector<double> values_;  ///< elsewhere they are there at once
};

}  // namespace vox
