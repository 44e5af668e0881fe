#include "model/summary.h"

#include "kernels/base/check.h"

namespace vox {
namespace {

const char* norm_kind(Norm norm) { return norm == Norm::instance ? "instance norm" : "batch norm"; }

/// Walks the network in running order and notes what each layer costs.
class Walk {
 public:
  Walk(const UNetConfig& config, std::int64_t batch, std::int64_t size, DType dtype)
      : config_(config), batch_(batch), size_(size), dtype_(dtype) {}

  void conv(const std::string& name, std::int64_t in, std::int64_t out, std::int64_t kernel, bool bias,
            std::int64_t stride = 1) {
    const Conv3dGeometry g = conv3d_geometry(volume(in), out, kernel, stride, kernel / 2);
    const std::int64_t taps = kernel * kernel * kernel;
    size_ /= stride;
    note(name, fmt::format("conv {0}x{0}x{0}{1}", kernel, stride == 1 ? "" : fmt::format(" stride {}", stride)), out,
         in * out * taps + (bias ? out : 0), 2.0 * static_cast<double>(taps * in), g);
  }
  void pointwise(const std::string& name, const char* kind, std::int64_t channels, std::int64_t parameters,
                 double flop) {
    note(name, kind, channels, parameters, flop);
  }
  void block(const std::string& name, std::int64_t in, std::int64_t out, double dropout, std::int64_t stride = 1) {
    const bool norm = config_.norm != Norm::none;
    const char* const relu = config_.negative_slope > 0 ? "leaky relu" : "relu";
    for (int i = 1; i <= 2; ++i) {
      conv(fmt::format("{}.conv{}", name, i), i == 1 ? in : out, out, 3, !norm || config_.norm_bias,
           i == 1 ? stride : 1);
      if (norm) { pointwise(fmt::format("{}.norm{}", name, i), norm_kind(config_.norm), out, 2 * out, 4); }
      pointwise(fmt::format("{}.relu{}", name, i), relu, out, 0, 1);
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
  check_config(c);
  VOX_CHECK(batch >= 1, "summary: batch is {}, wants >= 1", batch);
  const std::int64_t divisor = size_divisor(c);
  VOX_CHECK(size >= divisor && size % divisor == 0, "summary: size is {}, wants a multiple of {}", size, divisor);
  Walk walk(c, batch, size, dtype);
  const std::size_t levels = c.widths.size();
  const bool pools = c.down == Down::max_pool;
  for (std::size_t l = 0; l < levels; ++l) {
    const std::string name = l + 1 < levels ? fmt::format("encoder.{}", l) : "bottleneck";
    const std::int64_t stride = l > 0 && !pools ? 2 : 1;
    walk.block(name, l == 0 ? c.in_channels : c.widths[l - 1], c.widths[l], c.encoder_dropout[l], stride);
    if (l + 1 < levels && pools) { walk.pool(fmt::format("pool.{}", l), c.widths[l]); }
  }
  for (std::size_t i = 0; i + 1 < levels; ++i) {
    const std::size_t l = levels - 2 - i;
    const std::int64_t out = c.widths[l];
    walk.up(fmt::format("up.{}", i), c.widths[l + 1], out);
    if (out % kBlock8 != 0) { walk.pointwise(fmt::format("concat.{}", i), "concat", 2 * out, 0, 0); }  // else no copy
    walk.block(fmt::format("decoder.{}", i), 2 * out, out, c.decoder_dropout[i]);
    if (static_cast<std::int64_t>(l) < c.supervision) {
      walk.conv(l == 0 ? "head" : fmt::format("heads.{}", l), out, c.classes, 1, true);
    }
  }
  const char* const last = c.targets == Targets::regions ? "sigmoid" : "softmax";
  walk.pointwise(last, last, c.classes, 0, 4);
  return walk.take();
}

}  // namespace vox
