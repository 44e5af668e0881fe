#include "model/unet3d.h"

#include <utility>

#include "engine/tape.h"
#include "kernels/base/check.h"

namespace vox {
namespace {

constexpr std::uint32_t kPlacesPerMicroBatch = 1U << 8;  // more than there are blocks

}  // namespace

Fusion fusion_named(std::string_view name) {
  VOX_CHECK(name == "on" || name == "off", "fusion is '{}', wants on or off", name);
  return name == "on" ? Fusion::on : Fusion::off;
}

Tensor UNet3d::layer(Tensor x, Tensor skip, const ConvNorm& c, UNetMode mode, const DropoutOptions& dropped) const {
  const BatchNormOptions batch{.mode = mode == UNetMode::training ? BatchNormMode::training : BatchNormMode::inference,
                               .eps = config_.norm_eps,
                               .momentum = config_.batch_norm_momentum};
  const double slope = config_.negative_slope;
  if (fusion_ == Fusion::on && config_.norm == Norm::batch && !c.bias.defined() && c.stride == 1 && slope == 0) {
    return conv3d_batch_norm_relu(std::move(x), std::move(skip), c.weight, c.gamma, c.beta, c.running_mean,
                                  c.running_var, batch, dropped);
  }
  if (fusion_ == Fusion::on && config_.norm == Norm::instance) {
    return conv3d_instance_norm_relu(std::move(x), std::move(skip), c.weight, c.bias, c.gamma, c.beta,
                                     {.eps = config_.norm_eps, .negative_slope = slope, .stride = c.stride}, dropped);
  }
  const Conv3dOptions conv{.stride = c.stride};
  Tensor y = skip.defined() ? conv3d_concat(x, skip, c.weight, c.bias, conv) : conv3d(x, c.weight, c.bias, conv);
  x = Tensor();  // without a tape their memory is free from here on
  skip = Tensor();
  if (config_.norm == Norm::batch) { y = batch_norm(y, c.gamma, c.beta, c.running_mean, c.running_var, batch); }
  if (config_.norm == Norm::instance) { y = instance_norm(y, c.gamma, c.beta, {.eps = config_.norm_eps}); }
  y = slope > 0 ? leaky_relu(y, slope) : relu(y);
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

void UNet3d::check_input(const Tensor& x) const {
  const Shape& s = x.shape();
  VOX_CHECK(x.device() == device_, "unet3d: x is on {}, the network on {}", name(x.device()), name(device_));
  VOX_CHECK(s.rank() == 5 && s[1] == config_.in_channels, "unet3d: x is {}, wants [N,{},D,H,W]", s.str(),
            config_.in_channels);
  const std::int64_t divisor = size_divisor(config_);
  VOX_CHECK(s[2] % divisor == 0 && s[3] % divisor == 0 && s[4] % divisor == 0 && s.voxels() > 0,
            "unet3d: x is {}, wants extents divisible by {}, for {} levels", s.str(), divisor, config_.widths.size());
  const std::int64_t deepest = s.voxels() / (divisor * divisor * divisor);
  VOX_CHECK(config_.norm != Norm::instance || deepest > 1,
            "unet3d: x is {}, whose bottleneck has one voxel, and instance norm wants more: give it larger extents or "
            "fewer levels",
            s.str());
}

std::vector<Tensor> UNet3d::run(const Tensor& x, std::size_t heads, const ForwardOptions& o) const {
  check_input(x);
  if (records({heads_.front().weight})) { packed_.refresh(); }
  const std::size_t levels = encoder_.size();
  std::vector<Tensor> skips(levels - 1);
  std::vector<Tensor> logits(heads);
  Tensor y = x;
  std::uint32_t place = 0;
  for (std::size_t l = 0; l < levels; ++l) {
    y = run_block(std::move(y), {}, encoder_[l], place++, o);
    if (l + 1 < levels) {
      skips[l] = y;
      if (config_.down == Down::max_pool) { y = max_pool3d(y); }
    }
  }
  for (std::size_t i = 0; i + 1 < levels; ++i) {
    const std::size_t l = levels - 2 - i;
    y = conv_transpose3d(y, up_[i].weight, up_[i].bias);
    y = run_block(std::move(y), std::move(skips[l]), decoder_[i], place++, o);
    if (l < heads) { logits[l] = conv3d(y, heads_[l].weight, heads_[l].bias); }
  }
  return logits;
}

Tensor UNet3d::forward(const Tensor& x, const ForwardOptions& o) const { return run(x, 1, o).front(); }

std::vector<Tensor> UNet3d::forward_all(const Tensor& x, const ForwardOptions& o) const {
  return run(x, heads_.size(), o);
}

}  // namespace vox
