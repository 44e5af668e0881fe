#include "model/summary.h"

#include "kernels/base/check.h"

namespace vox {
namespace {

/// Walks the network in running order and notes what each layer costs.
class Walk {
 public:
  Walk(const UNetConfig& config, std::int64_t batch, std::int64_t size, DType dtype)
      : config_(config), batch_(batch), size_(size), dtype_(dtype) {}

  void conv(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel, bool bias) {
    const std::int64_t taps = kernel * kernel * kernel;
    note(name, fmt::format("conv {0}x{0}x{0}", kernel), out, in * out * taps + (bias ? out : 0),
         2.0 * static_cast<double>(taps * in), conv3d_geometry(volume(in), out, kernel, 1, kernel / 2));
  }
  void pointwise(const std::string& name, const char* kind, std::int64_t channels, std::int64_t parameters,
                 double flop) {
    note(name, kind, channels, parameters, flop);
  }
  void block(const std::string& name, std::int64_t in, std::int64_t out, double dropout) {
    const bool norm = config_.norm == Norm::batch;
    for (int i = 1; i <= 2; ++i) {
      conv(fmt::format("{}.conv{}", name, i), i == 1 ? in : out, out, 3, !norm);
      if (norm) { pointwise(fmt::format("{}.norm{}", name, i), "batch norm", out, 2 * out, 4); }
      pointwise(fmt::format("{}.relu{}", name, i), "relu", out, 0, 1);
      const bool here = (i == 1) == (config_.block_order == BlockOrder::dropout_between);
      if (here && dropout > 0) { pointwise(name + ".dropout", "dropout", out, 0, 1); }
    }
  }
  void pool(const std::string& name, std::int64_t channels) {
    size_ /= 2;
    note(name, "max pool 2x2x2", channels, 0, 7);
  }
  void up(const std::string& name, std::int64_t in, std::int64_t out) {
    const Conv3dGeometry g = conv_transpose3d_geometry(volume(in), out, 2, 2, 0, 0);
    size_ *= 2;
    note(name, "conv transpose 2x2x2", out, in * out * 8 + out, 2.0 * static_cast<double>(in), g);
  }
  std::vector<LayerCost> take() { return std::move(layers_); }

 private:
  [[nodiscard]] VolumeShape volume(std::int64_t channels) const {
    return {.n = batch_, .c = channels, .d = size_, .h = size_, .w = size_};
  }
  void note(const std::string& name, const std::string& kind, std::int64_t channels, std::int64_t parameters,
            double flop_per_output, std::optional<Conv3dGeometry> convolution = {}) {
    const Shape shape{batch_, channels, size_, size_, size_};
    layers_.push_back({.name = name,
                       .kind = kind,
                       .output = shape,
                       .parameters = parameters,
                       .forward_flop = flop_per_output * static_cast<double>(shape.count()),
                       .output_bytes = shape.volume().padded_count() * static_cast<std::int64_t>(size_of(dtype_)),
                       .convolution = convolution});
  }

  const UNetConfig& config_;
  std::int64_t batch_;
  std::int64_t size_;
  DType dtype_;
  std::vector<LayerCost> layers_;
};

}  // namespace

std::vector<LayerCost> unet_summary(const UNetConfig& c, std::int64_t batch, std::int64_t size, DType dtype) {
  VOX_CHECK(batch >= 1, "summary: batch is {}, wants >= 1", batch);
  VOX_CHECK(size >= 16 && size % 16 == 0, "summary: size is {}, wants a multiple of 16", size);
  Walk walk(c, batch, size, dtype);
  for (std::size_t l = 0; l < kLevels; ++l) {
    const std::string name = l + 1 < kLevels ? fmt::format("encoder.{}", l) : "bottleneck";
    walk.block(name, l == 0 ? c.in_channels : c.widths[l - 1], c.widths[l], c.encoder_dropout[l]);
    if (l + 1 < kLevels) { walk.pool(fmt::format("pool.{}", l), c.widths[l]); }
  }
  for (std::size_t i = 0; i + 1 < kLevels; ++i) {
    const std::int64_t out = c.widths[kLevels - 2 - i];
    walk.up(fmt::format("up.{}", i), c.widths[kLevels - 1 - i], out);
    if (out % kBlock8 != 0) { walk.pointwise(fmt::format("concat.{}", i), "concat", 2 * out, 0, 0); }  // else no copy
    walk.block(fmt::format("decoder.{}", i), 2 * out, out, c.decoder_dropout[i]);
  }
  walk.conv("head", c.widths[0], c.classes, 1, true);
  walk.pointwise("softmax", "softmax", c.classes, 0, 4);
  return walk.take();
}

}  // namespace vox
