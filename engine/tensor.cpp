#include "engine/tensor.h"

#include <algorithm>
#include <utility>

#include "engine/device_memory.h"
#include "engine/dispatch.h"
#include "engine/tensor_body.h"
#include "kernels/base/check.h"
#include "kernels/labels.h"
#include "kernels/layout.h"

namespace vox {

Tensor::Tensor(Shape shape, DType dtype, Device device, Layout layout) : body_(std::make_shared<TensorBody>()) {
  for (const std::int64_t extent : shape.extents()) {
    VOX_CHECK(extent >= 0, "Tensor: shape {} has a negative extent", shape.str());
  }
  body_->shape = shape;
  body_->dtype = dtype;
  body_->device = device;
  body_->layout = layout;
  body_->stored_count = layout == Layout::blocked ? shape.volume().padded_count() : shape.count();
  body_->storage = std::make_shared<Storage>(static_cast<std::size_t>(body_->stored_count) * size_of(dtype), device);
}

Tensor Tensor::volume(const Shape& shape, DType dtype, Device device) {
  return Tensor(shape, dtype, device, Layout::blocked);
}

Tensor Tensor::like(const Tensor& t) { return Tensor(t.shape(), t.dtype(), t.device(), t.layout()); }

Tensor Tensor::zeros(const Shape& shape, DType dtype, Device device, Layout layout) {
  Tensor t(shape, dtype, device, layout);
  zero_bytes(t.body().storage->data(), device, t.body().storage->size_bytes());
  return t;
}

TensorBody& Tensor::body() const {
  VOX_CHECK(defined(), "tensor is undefined");
  return *body_;
}

const Shape& Tensor::shape() const { return body().shape; }
DType Tensor::dtype() const { return body().dtype; }
Device Tensor::device() const { return body().device; }
Layout Tensor::layout() const { return body().layout; }
std::int64_t Tensor::stored_count() const { return body().stored_count; }
bool Tensor::wants_grad() const { return defined() && body().slot != nullptr; }
Tensor Tensor::grad() const { return body().slot ? body().slot->grad : Tensor(); }
void Tensor::clear_grad() {
  if (body().slot) { body().slot->grad = Tensor(); }
}

Tensor& Tensor::requires_grad() {
  if (!body().slot) {
    body().slot = std::make_shared<GradSlot>(
        GradSlot{.shape = shape(), .dtype = dtype(), .layout = layout(), .grad = {}, .node = nullptr, .leaf = true});
  }
  return *this;
}

bool Tensor::sole() const { return defined() && body_.use_count() == 1 && body_->storage.use_count() == 1; }

Tensor Tensor::detached() const {
  Tensor t;
  t.body_ = std::make_shared<TensorBody>(body());
  t.body_->slot = nullptr;
  return t;
}

Tensor Tensor::to(Device device) const {
  if (device == this->device()) { return *this; }
  Tensor t(shape(), dtype(), device, layout());
  copy_bytes(t.body().storage->data(), device, std::as_const(*body().storage).data(), this->device(),
             body().storage->size_bytes());
  if (dtype() == DType::u8) { t.body().largest_label = largest_label(); }
  return t;
}

void Tensor::assign(const Tensor& from) {
  VOX_CHECK(from.shape() == shape() && from.dtype() == dtype() && from.layout() == layout(),
            "Tensor::assign: from is {} {} {}, wants {} {} {}", from.shape().str(), name(from.dtype()),
            name(from.layout()), shape().str(), name(dtype()), name(layout()));
  copy_bytes(body().storage->data(), device(), std::as_const(*from.body().storage).data(), from.device(),
             body().storage->size_bytes());
  if (dtype() == DType::u8) { body().largest_label = from.largest_label(); }
}

std::uint8_t Tensor::largest_label() const {
  if (device() != Device::cpu) { return body().largest_label; }
  const auto v = values<std::uint8_t>();
  std::vector<std::uint8_t> largest((v.size() + kLabelChunk - 1) / kLabelChunk);
  vox::largest_label(cpu_queue(), LargestLabelArgs<std::uint8_t>{.labels = v, .largest = largest});
  return largest.empty() ? std::uint8_t{0} : *std::ranges::max_element(largest);
}

Tensor Tensor::released() const {
  Tensor t;
  if (defined()) {
    t.body_ = std::make_shared<TensorBody>(body());
    t.body_->storage = std::make_shared<Storage>();
    t.body_->remake = nullptr;
  }
  return t;
}

template <class T> std::span<const T> Tensor::values() const {
  VOX_CHECK(dtype() == kDTypeOf<T>, "values: tensor is {}, asked for {}", name(dtype()), name(kDTypeOf<T>));
  return {reinterpret_cast<const T*>(std::as_const(*body().storage).data()), static_cast<std::size_t>(stored_count())};
}

template <class T> std::span<T> Tensor::mutable_values() {
  VOX_CHECK(dtype() == kDTypeOf<T>, "mutable_values: tensor is {}, asked for {}", name(dtype()), name(kDTypeOf<T>));
  return {reinterpret_cast<T*>(body().storage->data()), static_cast<std::size_t>(stored_count())};
}

template <class T> Tensor Tensor::of(Shape shape, std::span<const T> host) {
  VOX_CHECK(std::ssize(host) == shape.count(), "Tensor::of: {} values for shape {}", host.size(), shape.str());
  Tensor t(shape, kDTypeOf<T>);
  std::ranges::copy(host, t.mutable_values<T>().begin());
  return t;
}

template <class T> Tensor Tensor::volume_of(const Shape& shape, std::span<const T> host) {
  VOX_CHECK(std::ssize(host) == shape.count(), "Tensor::volume_of: {} values for shape {}", host.size(), shape.str());
  Tensor t = volume(shape, kDTypeOf<T>);
  to_blocked(cpu_queue(), ToBlockedArgs<T>{.shape = shape.volume(), .plain = host, .blocked = t.mutable_values<T>()});
  return t;
}

std::vector<double> Tensor::to_doubles() const {
  if (device() != Device::cpu) { return to(Device::cpu).to_doubles(); }
  std::vector<double> out;
  if (dtype() == DType::u8) {
    const auto v = values<std::uint8_t>();
    return {v.begin(), v.end()};
  }
  dispatch_type(dtype(), [&]<class T>(TypeTag<T>) {
    std::vector<T> plain;
    std::span<const T> v = values<T>();
    if (layout() == Layout::blocked) {
      plain.resize(static_cast<std::size_t>(shape().count()));
      to_plain(cpu_queue(), ToPlainArgs<T>{.shape = shape().volume(), .blocked = v, .plain = plain});
      v = plain;
    }
    out.reserve(v.size());
    for (const T x : v) { out.push_back(static_cast<double>(load(x))); }
  });
  return out;
}

double Tensor::item() const {
  VOX_CHECK(shape().count() == 1, "Tensor::item: tensor is {}, wants one value", shape().str());
  return to_doubles()[0];
}

#define VOX_INSTANTIATE_TENSOR(T)                     \
  template std::span<const T> Tensor::values() const; \
  template std::span<T> Tensor::mutable_values();     \
  template Tensor Tensor::of(Shape, std::span<const T>)

VOX_INSTANTIATE_TENSOR(float);
VOX_INSTANTIATE_TENSOR(double);
VOX_INSTANTIATE_TENSOR(Bf16);
VOX_INSTANTIATE_TENSOR(std::uint8_t);
template Tensor Tensor::volume_of(const Shape&, std::span<const float>);
template Tensor Tensor::volume_of(const Shape&, std::span<const double>);
template Tensor Tensor::volume_of(const Shape&, std::span<const Bf16>);

}  // namespace vox
