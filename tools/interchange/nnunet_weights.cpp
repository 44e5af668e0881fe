#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/check.h"
#include "tools/interchange/nnunet_plan.h"
#include "tools/interchange/weights_of_file.h"

namespace vox {
namespace {

/// What nnU-Net calls a convolution and its norm: dynamic_network_architectures' ConvDropoutNormReLU has each of them
/// as a member and in all_modules, and a decoder has the encoder as a member.
class Names {
 public:
  explicit Names(std::string prefix) : prefix_(std::move(prefix)) {}

  void add_block(const UNet3d& net, const std::string& ours, const std::string& theirs, bool encoder) {
    for (int i = 0; i < 2; ++i) {
      const std::string module = fmt::format("{}.convs.{}", theirs, i);
      const auto add = [&](const char* kind, int place) {
        const std::string start = fmt::format("{}.{}{}.", ours, kind, i + 1);
        for (const auto* const all : {&net.parameters(), &net.buffers()}) {
          for (const NamedTensor& t : *all) {
            if (!t.name.starts_with(start)) { continue; }
            const std::string last = t.name.substr(start.size());
            add_aliases(
                t.name,
                {fmt::format("{}.{}.{}", module, kind, last), fmt::format("{}.all_modules.{}.{}", module, place, last)},
                encoder);
          }
        }
      };
      add("conv", 0);
      add("norm", 1);
    }
  }
  void add_conv(const std::string& ours, const std::string& theirs) {
    for (const char* const last : {"weight", "bias"}) {
      all_.push_back(
          {.ours = fmt::format("{}.{}", ours, last), .theirs = {fmt::format("{}{}.{}", prefix_, theirs, last)}});
    }
  }
  [[nodiscard]] const std::vector<OtherNames>& all() const { return all_; }

 private:
  void add_aliases(const std::string& ours, const std::vector<std::string>& theirs, bool encoder) {
    OtherNames names{.ours = ours, .theirs = {}};
    for (const std::string& name : theirs) { names.theirs.push_back(prefix_ + name); }
    for (const std::string& name : theirs) {
      if (encoder) { names.theirs.push_back(prefix_ + "decoder." + name); }
    }
    all_.push_back(std::move(names));
  }

  std::string prefix_;
  std::vector<OtherNames> all_;
};

/// A head's channels in our order.
void reorder(Tensor t, const std::vector<std::int64_t>& head_of) {
  const auto values = t.mutable_values<float>();
  const std::vector<float> theirs(values.begin(), values.end());
  const std::size_t each = values.size() / head_of.size();
  for (std::size_t k = 0; k < head_of.size(); ++k) {
    std::copy_n(theirs.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(head_of[k]) * each), each,
                values.begin() + static_cast<std::ptrdiff_t>(k * each));
  }
}

}  // namespace

void take_nnunet_weights(UNet3d& net, const NnunetPlan& plan, const std::filesystem::path& path,
                         const SafetensorsFile& file) {
  VOX_CHECK(net.config() == plan.config && net.dtype() == DType::f32 && net.device() == Device::cpu,
            "nnunet: wants the plan's network in f32 on the CPU");
  const std::size_t levels = plan.config.widths.size();
  const std::string prefix = prefix_before(file, "decoder.seg_layers.0.weight");
  Names names(prefix);
  for (std::size_t l = 0; l < levels; ++l) {
    const std::string ours = l + 1 < levels ? fmt::format("encoder.{}", l) : "bottleneck";
    names.add_block(net, ours, fmt::format("encoder.stages.{}.0", l), true);
  }
  for (std::size_t i = 0; i + 1 < levels; ++i) {
    names.add_conv(fmt::format("up.{}", i), fmt::format("decoder.transpconvs.{}", i));
    names.add_block(net, fmt::format("decoder.{}", i), fmt::format("decoder.stages.{}", i), false);
  }
  const auto heads = static_cast<std::size_t>(plan.config.supervision);
  for (std::size_t l = 0; l < heads; ++l) {
    names.add_conv(l == 0 ? "head" : fmt::format("heads.{}", l), fmt::format("decoder.seg_layers.{}", levels - 2 - l));
  }
  const std::size_t left_out = levels - 1 - heads;  // their deepest heads
  take_all_weights(net, path, file, names.all(), [&](const std::string& name) {
    if (name.ends_with(".num_batches_tracked")) { return true; }
    for (std::size_t i = 0; i < left_out; ++i) {
      if (name.starts_with(fmt::format("{}decoder.seg_layers.{}.", prefix, i))) { return true; }
    }
    return false;
  });
  for (const NamedTensor& t : net.parameters()) {
    if (t.name.starts_with("head")) { reorder(t.tensor, plan.head_of); }
  }
}

}  // namespace vox
