// How a network's parameters are made: their names, shapes and first values.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/dispatch.h"
#include "engine/tape.h"
#include "kernels/base/normal.h"
#include "model/unet3d.h"

namespace vox {
namespace {

constexpr std::uint32_t kInitPlace = 0xFFFFFFFFU;  // the stream of initial weights; blocks use small numbers
constexpr std::int64_t kConvTaps = 27;
constexpr std::int64_t kUpTaps = 8;
constexpr double kKaimingSlope = 0.01;

double he_limit(std::int64_t fan_in) { return std::sqrt(6.0 / static_cast<double>(fan_in)); }
double glorot_limit(std::int64_t fan_in, std::int64_t fan_out) {
  return std::sqrt(6.0 / static_cast<double>(fan_in + fan_out));
}
/// As PyTorch counts it, of a transposed convolution's [I,O,K,K,K], too.
double fan_in_of(const Shape& weight) { return static_cast<double>(weight[1] * weight[2] * weight[3] * weight[4]); }
double kaiming_deviation(double fan_in) { return std::sqrt(2 / ((1 + kKaimingSlope * kKaimingSlope) * fan_in)); }

/// Number i of a stream of standard normal numbers.
double normal(const RandomKey& key, std::size_t i) {
  const Philox4 bits = random4(key, i / 4);
  const std::size_t first = i % 4 / 2 * 2;
  const NormalPair pair = normal_pair(bits.v[first], bits.v[first + 1]);
  return static_cast<double>(i % 2 == 0 ? pair.cosine : pair.sine);
}

}  // namespace

struct UNet3d::Draw {
  enum class From : std::uint8_t { uniform, normal } from = From::uniform;
  double width = 0;  ///< the limit of a uniform number, the deviation of a normal one

  /// A weight's, and its bias's.
  static Draw weight(Init init, const Shape& shape, double keras_limit) {
    if (init == Init::kaiming) { return {.from = From::normal, .width = kaiming_deviation(fan_in_of(shape))}; }
    return {.width = init == Init::torch ? 1 / std::sqrt(fan_in_of(shape)) : keras_limit};
  }
  static Draw bias(Init init, const Shape& weight_shape) {
    return {.width = init == Init::torch ? 1 / std::sqrt(fan_in_of(weight_shape)) : 0};
  }
  [[nodiscard]] double number(const RandomKey& key, std::size_t i) const {
    if (from == From::normal) { return width * vox::normal(key, i); }
    return (2 * unit(random4(key, i / 4).v[i % 4]) - 1) * width;
  }
};

UNet3d::UNet3d(const UNetConfig& config, DType dtype, std::optional<std::uint64_t> seed, Device device)
    : config_(config), dtype_(dtype), device_(device), seed_(seed) {
  check_config(config_);
  make_encoder();
  make_decoder();
  if (device_ != Device::cpu && dtype_ == DType::bf16 && records({heads_.front().weight})) { pack_weights(); }
}

void UNet3d::make_encoder() {
  const auto& widths = config_.widths;
  for (std::size_t l = 0; l < widths.size(); ++l) {
    const std::string name = l + 1 < widths.size() ? fmt::format("encoder.{}", l) : "bottleneck";
    encoder_.push_back(
        make_block(name, l == 0 ? config_.in_channels : widths[l - 1], widths[l], config_.encoder_dropout[l]));
    if (l > 0 && config_.down == Down::strided_conv) { encoder_.back().first.stride = 2; }
  }
}

void UNet3d::make_decoder() {
  const auto& widths = config_.widths;
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    const std::int64_t deep = widths[widths.size() - 1 - i];
    const std::int64_t out = widths[widths.size() - 2 - i];
    up_.push_back(
        make_conv(fmt::format("up.{}", i), {deep, out, 2, 2, 2}, out, glorot_limit(kUpTaps * deep, kUpTaps * out)));
    decoder_.push_back(make_block(fmt::format("decoder.{}", i), 2 * out, out, config_.decoder_dropout[i]));
  }
  for (std::size_t l = 0; l < static_cast<std::size_t>(config_.supervision); ++l) {
    heads_.push_back(make_head(l == 0 ? "head" : fmt::format("heads.{}", l), widths[l]));
  }
}

void UNet3d::pack_weights() {
  const auto pack = [&](const Block& b, bool from_data) {
    if (b.first.stride == 1) { packed_.add(b.first.weight, from_data); }  // others have no kernel that reads it packed
    packed_.add(b.second.weight, false);
  };
  for (const Block& b : encoder_) { pack(b, &b == &encoder_.front()); }
  for (const Block& b : decoder_) { pack(b, false); }
  for (const auto* const convs : {&up_, &heads_}) {
    for (const Conv& c : *convs) { packed_.add(c.weight, false); }
  }
}

UNet3d::Conv UNet3d::make_conv(const std::string& name, const Shape& weight, std::int64_t out, double keras_limit) {
  Conv c;
  c.weight = parameter(name + ".weight", weight, Draw::weight(config_.init, weight, keras_limit));
  c.bias = parameter(name + ".bias", {out}, Draw::bias(config_.init, weight));
  return c;
}

UNet3d::Conv UNet3d::make_head(const std::string& name, std::int64_t in) {
  return make_conv(name, {config_.classes, in, 1, 1, 1}, config_.classes, glorot_limit(in, config_.classes));
}

/// A leaf with values from the stream (seed, number of the parameter).
Tensor UNet3d::parameter(const std::string& name, const Shape& shape, const Draw& draw) {
  Tensor t(shape, accumulator(dtype_));
  if (seed_) {
    const RandomKey key{.seed = *seed_, .step = static_cast<std::uint32_t>(parameters_.size()), .place = kInitPlace};
    dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) {
      const auto values = t.mutable_values<T>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        // Rounded to f32 first, so that an f64 net starts from the same weights as an f32 one.
        values[i] = store<T>(static_cast<Acc<T>>(static_cast<float>(draw.number(key, i))));
      }
    });
  }
  t = t.to(device_).requires_grad();
  parameters_.push_back({name, t});
  return t;
}

/// In the accumulator type.
Tensor UNet3d::filled(const Shape& shape, double value) const {
  Tensor t(shape, accumulator(dtype_));
  dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) {
    std::ranges::fill(t.mutable_values<T>(), store<T>(static_cast<Acc<T>>(value)));
  });
  return t.to(device_);
}

UNet3d::ConvNorm UNet3d::make_conv_norm(const std::string& conv, const std::string& norm, std::int64_t in,
                                        std::int64_t out) {
  ConvNorm c;
  const Shape shape{out, in, 3, 3, 3};
  const Init init = config_.init;
  c.weight = parameter(conv + ".weight", shape, Draw::weight(init, shape, he_limit(kConvTaps * in)));
  if (config_.norm == Norm::none || config_.norm_bias) {
    c.bias = parameter(conv + ".bias", {out}, Draw::bias(init, shape));
  }
  if (config_.norm == Norm::none) { return c; }
  c.gamma = filled({out}, 1).requires_grad();
  c.beta = filled({out}, 0).requires_grad();
  parameters_.push_back({norm + ".weight", c.gamma});
  parameters_.push_back({norm + ".bias", c.beta});
  if (config_.norm != Norm::batch) { return c; }
  c.running_mean = filled({out}, 0);
  c.running_var = filled({out}, 1);
  buffers_.push_back({norm + ".running_mean", c.running_mean});
  buffers_.push_back({norm + ".running_var", c.running_var});
  return c;
}

UNet3d::Block UNet3d::make_block(const std::string& name, std::int64_t in, std::int64_t out, double dropout) {
  Block b;
  b.first = make_conv_norm(name + ".conv1", name + ".norm1", in, out);
  b.second = make_conv_norm(name + ".conv2", name + ".norm2", out, out);
  b.dropout = dropout;
  return b;
}

std::int64_t UNet3d::parameter_count() const {
  std::int64_t count = 0;
  for (const NamedTensor& p : parameters_) { count += p.tensor.shape().count(); }
  return count;
}

}  // namespace vox
