#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/types.h"

namespace vox {

struct TensorBody;  // engine/tensor_body.h; only tensor.cpp and tape.cpp look inside

/// A handle to contiguous values: copying shares them. Ops never change an input; they return a new tensor.
/// Volumes [N,C,D,H,W] are blocked (kernels/base/volume.h); weights, vectors and labels are plain.
class Tensor {
 public:
  Tensor() = default;
  Tensor(Shape, DType, Device = Device::cpu, Layout = Layout::plain);  ///< uninitialised

  /// A blocked volume batch [N,C,D,H,W]. Uninitialised, padding channels included.
  [[nodiscard]] static Tensor volume(const Shape&, DType, Device = Device::cpu);
  /// Shape, dtype, device and layout of another tensor. Uninitialised.
  [[nodiscard]] static Tensor like(const Tensor&);
  [[nodiscard]] static Tensor zeros(const Shape&, DType, Device = Device::cpu, Layout = Layout::plain);
  /// A plain tensor with these values in C order.
  template <class T> [[nodiscard]] static Tensor of(Shape, std::span<const T> host);
  /// A blocked volume batch from values in C order [N,C,D,H,W]; padding channels are zero.
  template <class T> [[nodiscard]] static Tensor volume_of(const Shape&, std::span<const T> host);

  [[nodiscard]] bool defined() const { return body_ != nullptr; }
  [[nodiscard]] const Shape& shape() const;
  [[nodiscard]] DType dtype() const;
  [[nodiscard]] Device device() const;
  [[nodiscard]] Layout layout() const;
  /// Elements in memory: more than shape().count() when a blocked volume has padding channels.
  [[nodiscard]] std::int64_t stored_count() const;

  /// Typed views of the stored values on their own device, padding channels included. T must match dtype().
  template <class T> [[nodiscard]] std::span<const T> values() const;
  template <class T> [[nodiscard]] std::span<T> mutable_values();

  /// A copy of the values in C order, without padding, as double: for tests, metrics and files.
  [[nodiscard]] std::vector<double> to_doubles() const;
  /// The single value of a one-element tensor.
  [[nodiscard]] double item() const;

  Tensor& requires_grad();  ///< makes this a leaf whose grad() backward() fills
  [[nodiscard]] bool wants_grad() const;
  [[nodiscard]] Tensor grad() const;  ///< undefined until backward() has run
  void clear_grad();
  /// A copy on another device, without history; this tensor itself if it is there already.
  [[nodiscard]] Tensor to(Device) const;
  /// Takes the values of a tensor of the same shape, dtype and layout on any device; handles to this one see them.
  void assign(const Tensor& from);
  /// The largest value of a u8 tensor, found when it was copied to a device: what a loss there can refuse labels by
  /// without waiting for the device. On the CPU it is counted now.
  [[nodiscard]] std::uint8_t largest_label() const;
  /// The same values without their history: a leaf that wants no gradient.
  [[nodiscard]] Tensor detached() const;

  /// The same history without the values: this handle keeps their memory alive no longer. For record(), after the last
  /// read of the values.
  [[nodiscard]] Tensor released() const;
  /// Whether no other handle sees these values, so that they may be overwritten.
  [[nodiscard]] bool sole() const;

  [[nodiscard]] TensorBody& body() const;  ///< throws when undefined

 private:
  std::shared_ptr<TensorBody> body_;
};

}  // namespace vox
