#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/micro_batch.h"

namespace vox {

/// A batch on the CPU, in C order.
struct PlainBatch {
  Shape shape;                           ///< of the images
  std::span<const float> images;         ///< [N,C,D,H,W]
  std::span<const std::uint8_t> labels;  ///< [N,D,H,W]
  /// Holds both while it lives. Null: the caller does, until the next start().
  std::shared_ptr<const void> memory = nullptr;
};

/// Makes tensors of batch after batch. A GPU gets the plain values, through a stream of its own while it computes on
/// the batch before, and changes their layout and type itself; the CPU has nothing to bring.
class Uploader {
 public:
  /// largest: the shape of the largest batch.
  Uploader(Device, const Shape& largest);
  ~Uploader();
  Uploader(const Uploader&) = delete;
  Uploader& operator=(const Uploader&) = delete;
  Uploader(Uploader&&) = delete;
  Uploader& operator=(Uploader&&) = delete;

  /// Begins to bring a batch to the device, `at_a_time` cases of it a part; the caller does not wait. What was there
  /// of the batch before is gone.
  void start(PlainBatch, std::int64_t at_a_time);
  /// Once for each start(): the parts as the network takes them, on the device. Work submitted from now on waits for
  /// the values, the caller does not.
  [[nodiscard]] std::vector<MicroBatch> take(DType);

 private:
  struct Part {
    std::int64_t first;  ///< of its cases
    std::int64_t count;
    std::uint8_t largest_label;
  };
  struct Lane;  ///< of a GPU: a stream and events
  [[nodiscard]] MicroBatch made(const Part&, DType) const;

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
