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
#include "kernels/augment.h"
#include "kernels/base/check.h"
#include "kernels/cuda/runtime.h"
#include "kernels/labels.h"

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

/// A wrong number of lines would be read past its end where nobody looks.
void check_drawn(std::span<const Augmentation> drawn, const Shape& shape, Device device) {
  if (drawn.empty()) { return; }
  VOX_CHECK(device != Device::cpu, "upload: on the CPU a batch is augmented before, by augment() of data/loading");
  VOX_CHECK(std::ssize(drawn) == shape[0], "upload: augmentations of {} samples, the batch has {}", drawn.size(),
            shape[0]);
  for (const Augmentation& a : drawn) {
    VOX_CHECK(a.intensity.empty() || std::ssize(a.intensity) == shape[1],
              "upload: intensities of {} channels, the images have {}", a.intensity.size(), shape[1]);
  }
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
  check_drawn(batch.drawn, batch.shape, device_);
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

MicroBatch Uploader::made_here(const Part& part, DType dtype) const {
  const Shape shape = with_cases(batch_.shape, part.count);
  const Shape label_shape = labels_of(shape);
  MicroBatch m{.images = volume_here(shape, cases_of(batch_.images, shape, part.first), dtype),
               .labels = Tensor(label_shape, DType::u8)};
  const auto labels = std::as_bytes(cases_of(batch_.labels, label_shape, part.first));
  copy_bytes(m.labels.body().storage->data(), device_, labels.data(), device_, labels.size());
  return m;
}

MicroBatch Uploader::made_there(const Part& part, DType dtype) const {
  const Shape shape = with_cases(batch_.shape, part.count);
  const Shape label_shape = labels_of(shape);
  MicroBatch m{.images = Tensor::volume(shape, dtype, device_), .labels = Tensor(label_shape, DType::u8, device_)};
  std::span<const Augmentation> drawn = batch_.drawn;
  if (!drawn.empty()) {
    drawn = drawn.subspan(static_cast<std::size_t>(part.first), static_cast<std::size_t>(part.count));
  }
  dispatch(device_, dtype, [&]<class Queue, class T>(Queue& queue, TypeTag<T>) {
    if constexpr (!std::is_same_v<Queue, CpuQueue>) {
      augment_samples(queue, AugmentArgs<T>{.shape = shape.volume(),
                                            .images = cases_of(images_.values<float>(), shape, part.first),
                                            .labels = cases_of(labels_.values<std::uint8_t>(), label_shape, part.first),
                                            .drawn = drawn,
                                            .out_images = m.images.mutable_values<T>(),
                                            .out_labels = m.labels.mutable_values<std::uint8_t>()});
    }
  });
  m.labels.body().largest_label = part.largest_label;
  return m;
}

std::vector<MicroBatch> Uploader::take(DType dtype) {
  VOX_CHECK(!parts_.empty(), "upload: take() without a start() before it");
  if (lane_) { lane_->copied.hold_back(cuda_queue().stream); }
  std::vector<MicroBatch> there;
  for (const Part& part : parts_) {
    there.push_back(device_ == Device::cpu ? made_here(part, dtype) : made_there(part, dtype));
  }
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
