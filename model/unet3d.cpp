#include "model/unet3d.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/dispatch.h"
#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::uint32_t kInitPlace = 0xFFFFFFFFU;        // the stream of initial weights; blocks use small numbers
constexpr std::uint32_t kPlacesPerMicroBatch = 1U << 8;  // more than there are blocks
constexpr std::int64_t kConvTaps = 27;
constexpr std::int64_t kUpTaps = 8;

double he_limit(std::int64_t fan_in) { return std::sqrt(6.0 / static_cast<double>(fan_in)); }
double glorot_limit(std::int64_t fan_in, std::int64_t fan_out) {
  return std::sqrt(6.0 / static_cast<double>(fan_in + fan_out));
}

}  // namespace

UNetConfig unet_preset(std::string_view name) {
  UNetConfig c;
  c.preset = name;
  if (name == "seed") { return c; }
  VOX_CHECK(name == "tutorial", "preset '{}' is none of: seed, tutorial", name);
  c.in_channels = 3;
  c.norm = Norm::none;
  return c;
}

Fusion fusion_named(std::string_view name) {
  VOX_CHECK(name == "on" || name == "off", "fusion is '{}', wants on or off", name);
  return name == "on" ? Fusion::on : Fusion::off;
}

UNet3d::UNet3d(const UNetConfig& config, DType dtype, std::optional<std::uint64_t> seed, Device device)
    : config_(config), dtype_(dtype), device_(device), seed_(seed) {
  VOX_CHECK(config.in_channels >= 1 && config.classes >= (config.targets == Targets::regions ? 1 : 2),
            "unet3d: {} channels in and {} classes, wants >= 1 and >= 2", config.in_channels, config.classes);
  const auto& widths = config_.widths;
  for (const std::int64_t w : widths) { VOX_CHECK(w >= 1, "unet3d: a width is {}, wants >= 1", w); }
  for (std::size_t l = 0; l < kLevels; ++l) {
    const std::string name = l + 1 < kLevels ? fmt::format("encoder.{}", l) : "bottleneck";
    encoder_[l] = make_block(name, l == 0 ? config_.in_channels : widths[l - 1], widths[l], config_.encoder_dropout[l]);
  }
  for (std::size_t i = 0; i + 1 < kLevels; ++i) {
    const std::int64_t deep = widths[kLevels - 1 - i];
    const std::int64_t out = widths[kLevels - 2 - i];
    const std::string name = fmt::format("up.{}", i);
    up_[i] = make_conv(name, {deep, out, 2, 2, 2}, out, glorot_limit(kUpTaps * deep, kUpTaps * out));
    decoder_[i] = make_block(fmt::format("decoder.{}", i), 2 * out, out, config_.decoder_dropout[i]);
  }
  head_ = make_conv("head", {config_.classes, widths[0], 1, 1, 1}, config_.classes,
                    glorot_limit(widths[0], config_.classes));
  if (device_ == Device::cpu || dtype_ != DType::bf16 || !records({head_.weight})) { return; }
  const auto pack = [&](const Block& b, bool from_data) {
    packed_.add(b.first.weight, from_data);
    packed_.add(b.second.weight, false);
  };
  for (const Block& b : encoder_) { pack(b, &b == &encoder_.front()); }
  for (const Block& b : decoder_) { pack(b, false); }
  for (const Conv& c : up_) { packed_.add(c.weight, false); }
  packed_.add(head_.weight, false);
}

UNet3d::Conv UNet3d::make_conv(const std::string& name, const Shape& weight, std::int64_t out, double keras_limit) {
  const bool torch = config_.init == Init::torch;
  const double torch_limit = 1 / std::sqrt(static_cast<double>(weight[1] * weight[2] * weight[3] * weight[4]));
  Conv c;
  c.weight = parameter(name + ".weight", weight, torch ? torch_limit : keras_limit);
  c.bias = parameter(name + ".bias", {out}, torch ? torch_limit : 0);
  return c;
}

/// A leaf with values U(-limit, limit), drawn from the stream (seed, number of the parameter).
Tensor UNet3d::parameter(const std::string& name, const Shape& shape, double limit) {
  Tensor t(shape, accumulator(dtype_));
  if (seed_) {
    const RandomKey key{.seed = *seed_, .step = static_cast<std::uint32_t>(parameters_.size()), .place = kInitPlace};
    dispatch_type(t.dtype(), [&]<class T>(TypeTag<T>) {
      const auto values = t.mutable_values<T>();
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double u = unit(random4(key, i / 4).v[i % 4]);
        // Rounded to f32 first, so that an f64 net starts from the same weights as an f32 one.
        values[i] = store<T>(static_cast<Acc<T>>(static_cast<float>((2 * u - 1) * limit)));
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
  if (config_.norm == Norm::none) {
    const Conv with_bias = make_conv(conv, shape, out, he_limit(kConvTaps * in));
    c.weight = with_bias.weight;
    c.bias = with_bias.bias;
    return c;
  }
  const double torch_limit = 1 / std::sqrt(static_cast<double>(kConvTaps * in));
  c.weight = parameter(conv + ".weight", shape, config_.init == Init::torch ? torch_limit : he_limit(kConvTaps * in));
  c.gamma = filled({out}, 1).requires_grad();
  c.beta = filled({out}, 0).requires_grad();
  c.running_mean = filled({out}, 0);
  c.running_var = filled({out}, 1);
  parameters_.push_back({norm + ".weight", c.gamma});
  parameters_.push_back({norm + ".bias", c.beta});
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

Tensor UNet3d::layer(Tensor x, Tensor skip, const ConvNorm& c, UNetMode mode, const DropoutOptions& dropped) const {
  const BatchNormOptions norm{.mode = mode == UNetMode::training ? BatchNormMode::training : BatchNormMode::inference,
                              .eps = config_.batch_norm_eps,
                              .momentum = config_.batch_norm_momentum};
  if (fusion_ == Fusion::on && c.gamma.defined()) {
    return conv3d_batch_norm_relu(std::move(x), std::move(skip), c.weight, c.gamma, c.beta, c.running_mean,
                                  c.running_var, norm, dropped);
  }
  Tensor y = skip.defined() ? conv3d_concat(x, skip, c.weight, c.bias) : conv3d(x, c.weight, c.bias);
  x = Tensor();  // without a tape their memory is free from here on
  skip = Tensor();
  if (c.gamma.defined()) { y = batch_norm(y, c.gamma, c.beta, c.running_mean, c.running_var, norm); }
  y = relu(y);
  return dropped.p > 0 ? dropout(y, dropped) : y;
}

Tensor UNet3d::run_block(Tensor x, Tensor skip, const Block& b, std::uint32_t place, const ForwardOptions& o) const {
  const bool drops = o.mode == UNetMode::training && o.dropout == Dropout::on;
  const DropoutOptions none{.p = 0};
  const DropoutOptions some{
      .p = drops ? b.dropout : 0,
      .key = {.seed = o.seed, .step = o.step, .place = o.micro_batch * kPlacesPerMicroBatch + place},
      .step_there = o.step_there};
  const bool between = config_.block_order == BlockOrder::dropout_between;
  Tensor y = layer(std::move(x), std::move(skip), b.first, o.mode, between ? some : none);
  return layer(std::move(y), {}, b.second, o.mode, between ? none : some);
}

Tensor UNet3d::forward(const Tensor& x, const ForwardOptions& o) const {
  const Shape& s = x.shape();
  VOX_CHECK(x.device() == device_, "unet3d: x is on {}, the network on {}", name(x.device()), name(device_));
  VOX_CHECK(s.rank() == 5 && s[1] == config_.in_channels, "unet3d: x is {}, wants [N,{},D,H,W]", s.str(),
            config_.in_channels);
  constexpr std::int64_t kDivisor = 1 << (kLevels - 1);
  VOX_CHECK(s[2] % kDivisor == 0 && s[3] % kDivisor == 0 && s[4] % kDivisor == 0 && s.voxels() > 0,
            "unet3d: x is {}, wants extents divisible by {}", s.str(), kDivisor);

  if (records({head_.weight})) { packed_.refresh(); }
  std::array<Tensor, kLevels - 1> skips;
  Tensor y = x;
  std::uint32_t place = 0;
  for (std::size_t l = 0; l < kLevels; ++l) {
    y = run_block(std::move(y), {}, encoder_[l], place++, o);
    if (l + 1 < kLevels) {
      skips[l] = y;
      y = max_pool3d(y);
    }
  }
  for (std::size_t i = 0; i + 1 < kLevels; ++i) {
    y = conv_transpose3d(y, up_[i].weight, up_[i].bias);
    y = run_block(std::move(y), std::move(skips[kLevels - 2 - i]), decoder_[i], place++, o);
  }
  return conv3d(y, head_.weight, head_.bias);
}

std::int64_t UNet3d::parameter_count() const {
  std::int64_t count = 0;
  for (const NamedTensor& p : parameters_) { count += p.tensor.shape().count(); }
  return count;
}

}  // namespace vox
