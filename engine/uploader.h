#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/micro_batch.h"
#include "kernels/base/augmentation.h"

namespace vox {

/// A batch on the CPU, in C order.
struct PlainBatch {
  Shape shape;                           ///< of the images
  std::span<const float> images;         ///< [N,C,D,H,W]
  std::span<const std::uint8_t> labels;  ///< [N,D,H,W]
  /// Holds both while it lives. Null: the caller does, until the next start().
  std::shared_ptr<const void> memory = nullptr;
  /// What is to happen to each case on the way, or empty: nothing. On the CPU it must have happened before.
  std::vector<Augmentation> drawn = {};
};

/// Makes tensors of batch after batch. The plain values go to a GPU by a stream of their own, while it computes on the
/// batch before; the GPU then augments them and changes their layout and type (kernels/augment.h). On the CPU nothing
/// is copied ahead.
class Uploader {
 public:
  /// largest: the shape of the largest batch.
  Uploader(Device, const Shape& largest);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;
  Uploader(Uploader&&) = delete;
  Uploader& operator=(Uploader&&) = delete;

  /// Starts copying a batch to the device, cut into parts of `at_a_time` cases. What take() has not returned of the
  /// batch before is lost; what it has returned stays as it is.
  void start(PlainBatch, std::int64_t at_a_time);
  /// The parts of the batch on the device, in the network's layout and type; call it once for each start(). It returns
  /// at once: work submitted after it waits for the values.
  [[nodiscard]] std::vector<MicroBatch> take(DType);

 private:
  struct Part {
    std::int64_t first;  ///< of its cases
    std::int64_t count;
    std::uint8_t largest_label;  ///< before the augmentation, which makes none larger
  };
  struct Lane;                                                    ///< of a GPU: a stream and events
  [[nodiscard]] MicroBatch made_here(const Part&, DType) const;   ///< on the CPU
  [[nodiscard]] MicroBatch made_there(const Part&, DType) const;  ///< on any other device

  Device device_;
  std::unique_ptr<Lane> lane_;
  Tensor images_;     ///< plain, on the device; undefined on the CPU
  Tensor labels_;     ///< likewise
  PlainBatch batch_;  ///< of the last start()
  std::vector<Part> parts_;
};

/// Memory that a GPU named "cuda" or "cuda:N" reads at full speed while both sides go on. Any thread may ask for it.
[[nodiscard]] std::shared_ptr<std::byte> page_locked_memory(const std::string& gpu, std::size_t bytes);

}  // namespace vox
