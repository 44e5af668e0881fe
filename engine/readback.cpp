#include "engine/readback.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/context.h"
#include "engine/dry_run.h"
#include "kernels/base/check.h"
#include "kernels/cuda/runtime.h"

namespace vox {

struct Readback::Lane {
  struct Part {
    DType dtype;
    std::size_t count;
  };
  cuda::PinnedBytes memory;
  std::size_t memory_bytes = 0;
  cuda::Event there;
  std::vector<Part> parts;
};

Readback::Readback(Device device) {
  if (device == Device::cuda && DryRun::current() == nullptr) { lane_ = std::make_unique<Lane>(); }
}

Readback::~Readback() {
  if (lane_) { lane_->there.wait(); }
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): tensors that are handed over end with the call
void Readback::start(std::vector<Tensor> tensors) {
  for (const Tensor& t : tensors) {
    VOX_CHECK(t.layout() == Layout::plain && (t.dtype() == DType::f32 || t.dtype() == DType::f64),
              "readback: a {} tensor in {}, wants plain f32 or f64", name(t.layout()), name(t.dtype()));
  }
  if (!lane_) {
    VOX_CHECK(values_.empty(), "readback: start() before what is under way was waited for");
    for (const Tensor& t : tensors) {
      const std::vector<double> of_one = t.to_doubles();
      values_.insert(values_.end(), of_one.begin(), of_one.end());
    }
    return;
  }
  VOX_CHECK(lane_->parts.empty(), "readback: start() before what is under way was waited for");
  std::size_t bytes = 0;
  for (const Tensor& t : tensors) { bytes += static_cast<std::size_t>(t.stored_count()) * size_of(t.dtype()); }
  if (bytes > lane_->memory_bytes) {
    lane_->memory = cuda::PinnedBytes(bytes);
    lane_->memory_bytes = bytes;
  }
  auto* to = static_cast<std::byte*>(lane_->memory.data());
  const auto copy = [&]<class T>(std::span<const T> from) {
    cuda::copy_async(to, from.data(), from.size_bytes(), cuda_queue().stream);
    to += from.size_bytes();
    lane_->parts.push_back({kDTypeOf<T>, from.size()});
  };
  for (const Tensor& t : tensors) { t.dtype() == DType::f64 ? copy(t.values<double>()) : copy(t.values<float>()); }
  lane_->there.record(cuda_queue().stream);
}

std::vector<double> Readback::wait() {
  if (!lane_) { return std::exchange(values_, {}); }
  lane_->there.wait();
  std::vector<double> values;
  const auto* from = static_cast<const std::byte*>(lane_->memory.data());
  const auto take = [&]<class T>(T, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i, from += sizeof(T)) {
      T v;
      std::memcpy(&v, from, sizeof v);
      values.push_back(static_cast<double>(v));
    }
  };
  for (const Lane::Part& part : lane_->parts) {
    part.dtype == DType::f64 ? take(double{}, part.count) : take(float{}, part.count);
  }
  lane_->parts.clear();
  return values;
}

}  // namespace vox
