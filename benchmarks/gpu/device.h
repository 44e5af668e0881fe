#pragma once

#include <functional>
#include <optional>

#include "engine/context.h"
#include "engine/dispatch.h"
#include "engine/tensor.h"
#include "kernels/cuda/runtime.h"

namespace vox::gpu_bench {

/// Calls body(queue, TypeTag<T>{}) where the CUDA kernels run; the CPU's own kernels have vox_conv_bench and vox_bench.
template <class Body> void on_device(Device device, DType dtype, const Body& body) {
  dispatch_type(dtype, [&](auto type) {
    if (device == Device::simt) { return body(simt_queue(), type); }
#ifdef VOX_CUDA_ENABLED
    if (device == Device::cuda) { return body(cuda_queue(), type); }
#endif
    VOX_FAIL("this benchmark runs on cuda and simt, not on {}", name(device));
  });
}

/// A volume or plain tensor with random values, padding channels zero.
[[nodiscard]] Tensor random_volume(const VolumeShape&, DType, Device);
[[nodiscard]] Tensor random_plain(const Shape&, DType, Device);
[[nodiscard]] Tensor random_labels(const Shape&, int classes, Device);

void wait_for(Device);

/// Times work on a device: by events on a GPU, by the clock where the simt device executes it at once.
class Timer {
 public:
  /// flush: before each measurement more than any L2 cache holds is read, so that the work finds its data in memory
  /// and no dirty lines that are still to be written; otherwise ten calls in a row are timed, which find what the one
  /// before left.
  Timer(Device, bool flush);

  [[nodiscard]] double microseconds(const std::function<void()>& work);

 private:
  struct Events {
    cuda::Event start;
    cuda::Event stop;
  };
  Device device_;
  int calls_;
  Tensor flushed_;
  Tensor unused_;
  std::optional<Events> events_;
};

}  // namespace vox::gpu_bench
