#include "engine/uploader.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "engine/context.h"
#include "engine/device_memory.h"
#include "engine/dispatch.h"
#include "engine/dry_run.h"
#include "engine/ops.h"
#include "engine/tensor_body.h"
#include "kernels/base/check.h"
#include "kernels/cast.h"
#include "kernels/cuda/runtime.h"
#include "kernels/labels.h"
#include "kernels/layout.h"

namespace vox {
namespace {

/// [N,D,H,W] of [N,C,D,H,W].
Shape labels_of(const Shape& images) { return {images[0], images[2], images[3], images[4]}; }

Shape with_cases(const Shape& shape, std::int64_t cases) { return {cases, shape[1], shape[2], shape[3], shape[4]}; }

template <class T> std::span<const T> cases_of(std::span<const T> all, const Shape& one, std::int64_t first) {
  const auto values = static_cast<std::size_t>(one.count() / one[0]);
  return all.subspan(static_cast<std::size_t>(first) * values, static_cast<std::size_t>(one[0]) * values);
}

std::uint8_t largest_of(std::span<const std::uint8_t> labels) {
  std::vector<std::uint8_t> largest((labels.size() + kLabelChunk - 1) / kLabelChunk);
  largest_label(cpu_queue(), LargestLabelArgs<std::uint8_t>{.labels = labels, .largest = largest});
  return largest.empty() ? std::uint8_t{0} : *std::ranges::max_element(largest);
}

/// Plain values as a volume on the CPU.
Tensor volume_here(const Shape& shape, std::span<const float> plain, DType dtype) {
  const Tensor x = Tensor::volume_of(shape, plain);
  return dtype == DType::f32 ? x : cast(x, dtype);
}

/// Plain values of another device as a volume there. A narrower type is made before the padding channels are.
Tensor volume_there(Device device, const Shape& shape, std::span<const float> plain, DType dtype) {
  Tensor volume = Tensor::volume(shape, dtype, device);
  dispatch(device, dtype, [&]<class T>(auto& queue, TypeTag<T>) {
    const auto lay = [&](std::span<const T> values) {
      to_blocked(queue,
                 ToBlockedArgs<T>{.shape = shape.volume(), .plain = values, .blocked = volume.mutable_values<T>()});
    };
    if constexpr (std::is_same_v<T, float>) {
      lay(plain);
    } else {
      Tensor cast(shape, dtype, device);
      cast_forward(queue, CastArgs<float>{.x = plain, .y = cast.mutable_values<T>()});
      lay(std::as_const(cast).values<T>());
    }
  });
  return volume;
}

}  // namespace

struct Uploader::Lane {
  cuda::Stream copies;
  cuda::Event copied;  ///< the last batch is on the device
  cuda::Event taken;   ///< the plain values of the last batch taken are read no more
};

Uploader::Uploader(Device device, const Shape& largest) : device_(device) {
  if (device == Device::cpu) { return; }
  if (device == Device::cuda && DryRun::current() == nullptr) {
    lane_ = std::make_unique<Lane>();
    cuda::wait(cuda_queue().stream);  // the allocator may hand out what the compute stream has just freed
  }
  images_ = Tensor(largest, DType::f32, device);
  labels_ = Tensor(labels_of(largest), DType::u8, device);
}

Uploader::~Uploader() {
  if (lane_) { lane_->copies.wait(); }
}

void Uploader::start(PlainBatch batch, std::int64_t at_a_time) {
  VOX_CHECK(std::ssize(batch.images) == batch.shape.count() &&
                std::ssize(batch.labels) == labels_of(batch.shape).count() && at_a_time >= 1,
            "upload: {} values and {} labels for shape {}, {} cases at a time", batch.images.size(),
            batch.labels.size(), batch.shape.str(), at_a_time);
  if (lane_) { lane_->copied.wait(); }  // on the CPU: the batch before is read no more
  batch_ = std::move(batch);
  parts_.clear();
  for (std::int64_t n = 0; n < batch_.shape[0]; n += at_a_time) {
    const std::int64_t count = std::min(at_a_time, batch_.shape[0] - n);
    const auto labels = cases_of(batch_.labels, labels_of(with_cases(batch_.shape, count)), n);
    parts_.push_back(
        {.first = n, .count = count, .largest_label = device_ == Device::cpu ? std::uint8_t{0} : largest_of(labels)});
  }
  if (device_ == Device::cpu) { return; }
  VOX_CHECK(batch_.shape.count() <= images_.stored_count(), "upload: a batch of {}, the largest was to be {}",
            batch_.shape.str(), images_.shape().str());
  std::byte* const images = images_.body().storage->data();
  std::byte* const labels = labels_.body().storage->data();
  const auto image_bytes = std::as_bytes(batch_.images);
  const auto label_bytes = std::as_bytes(batch_.labels);
  if (lane_) {
    lane_->taken.hold_back(lane_->copies.handle());
    cuda::copy_async(images, image_bytes.data(), image_bytes.size(), lane_->copies.handle());
    cuda::copy_async(labels, label_bytes.data(), label_bytes.size(), lane_->copies.handle());
    lane_->copied.record(lane_->copies.handle());
  } else {
    copy_bytes(images, device_, image_bytes.data(), Device::cpu, image_bytes.size());
    copy_bytes(labels, device_, label_bytes.data(), Device::cpu, label_bytes.size());
  }
}

MicroBatch Uploader::made(const Part& part, DType dtype) const {
  const Shape shape = with_cases(batch_.shape, part.count);
  const Shape label_shape = labels_of(shape);
  const bool here = device_ == Device::cpu;
  const auto images = cases_of(here ? batch_.images : images_.values<float>(), shape, part.first);
  const auto labels = cases_of(here ? batch_.labels : labels_.values<std::uint8_t>(), label_shape, part.first);
  MicroBatch m{.images = here ? volume_here(shape, images, dtype) : volume_there(device_, shape, images, dtype),
               .labels = Tensor(label_shape, DType::u8, device_)};
  std::byte* const to = m.labels.body().storage->data();
  const auto from = std::as_bytes(labels);
  if (lane_) {
    cuda::copy_async(to, from.data(), from.size(), cuda_queue().stream);
  } else {
    copy_bytes(to, device_, from.data(), device_, from.size());
  }
  m.labels.body().largest_label = part.largest_label;
  return m;
}

std::vector<MicroBatch> Uploader::take(DType dtype) {
  VOX_CHECK(!parts_.empty(), "upload: take() without a start() before it");
  if (lane_) { lane_->copied.hold_back(cuda_queue().stream); }
  std::vector<MicroBatch> there;
  for (const Part& part : parts_) { there.push_back(made(part, dtype)); }
  if (lane_) { lane_->taken.record(cuda_queue().stream); }
  parts_.clear();
  if (!lane_) { batch_ = {}; }
  return there;
}

std::shared_ptr<std::byte> page_locked_memory(const std::string& gpu, std::size_t bytes) {
  static_cast<void>(select_device(gpu));
  const auto owner = std::make_shared<cuda::PinnedBytes>(bytes);
  return {owner, static_cast<std::byte*>(owner->data())};
}

}  // namespace vox
