#include "benchmarks/gpu/device.h"

#include <chrono>
#include <utility>

#include "benchmarks/gpu/probes.h"

namespace vox::gpu_bench {
namespace {

constexpr std::int64_t kFlushValues = 64LL << 20U;  // 256 MiB

Tensor filled(Tensor t, const VolumeShape& channels) {
  on_device(t.device(), t.dtype(), [&]<class T>(auto& queue, TypeTag<T>) {
    fill(queue, FillArgs<T>{.shape = channels, .y = t.mutable_values<T>()});
  });
  return t;
}

}  // namespace

Tensor random_volume(const VolumeShape& s, DType dtype, Device device) {
  return filled(Tensor::volume({s.n, s.c, s.d, s.h, s.w}, dtype, device), s);
}

Tensor random_plain(const Shape& shape, DType dtype, Device device) { return filled(Tensor(shape, dtype, device), {}); }

Tensor random_labels(const Shape& shape, int classes, Device device) {
  Tensor t(shape, DType::u8, device);
  on_device(device, DType::f32,
            [&](auto& queue, auto) { fill_labels(queue, t.mutable_values<std::uint8_t>(), classes); });
  return t;
}

void wait_for(Device device) {
  if (device == Device::cuda) { cuda::wait(cuda_queue().stream); }
}

Timer::Timer(Device device, bool flush) : device_(device), calls_(flush || device == Device::simt ? 1 : 10) {
  if (device == Device::cuda) {
    events_.emplace();
    if (flush) {
      flushed_ = random_plain({kFlushValues}, DType::f32, device);
      unused_ = Tensor({1}, DType::f32, device);
    }
  }
}

double Timer::microseconds(const std::function<void()>& work) {
  if (!events_) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  }
  CUstream_st* const stream = cuda_queue().stream;
  if (flushed_.defined()) {
    on_device(device_, DType::f32, [&](auto& queue, auto) {
      read(queue, std::as_const(flushed_).values<float>(), unused_.mutable_values<float>());
    });
  }
  events_->start.record(stream);
  for (int call = 0; call < calls_; ++call) { work(); }
  events_->stop.record(stream);
  events_->stop.wait();
  return 1e3 * static_cast<double>(events_->stop.milliseconds_since(events_->start)) / calls_;
}

}  // namespace vox::gpu_bench
