#pragma once

#include <memory>
#include <vector>

#include "engine/tensor.h"

namespace vox {

/// Brings batch after batch to a device while the device still computes on the one before. A GPU's copies go through
/// page-locked memory and a stream of their own; work submitted after start() waits for them, the caller does not.
class Uploader {
 public:
  explicit Uploader(Device);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;
  Uploader(Uploader&&) = delete;
  Uploader& operator=(Uploader&&) = delete;

  /// The tensors of one batch, on the device. Submit all work on the batch before the next but one call: that one takes
  /// their memory again. `host` may be changed as soon as this returns.
  [[nodiscard]] std::vector<Tensor> start(const std::vector<Tensor>& host);

 private:
  struct Lanes;  ///< of a GPU: streams, events, two sets of buffers
  Device device_;
  std::unique_ptr<Lanes> lanes_;
};

}  // namespace vox
