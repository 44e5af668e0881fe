#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/nifti/nifti.h"
#include "engine/dispatch.h"
#include "engine/tape.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/python.h"
#include "tests/support/reference_input.h"
#include "tests/support/small_case.h"
#include "tools/interchange/onnx_model.h"
#include "tools/run/whole_case.h"

namespace vox::test {
namespace {

/// Norms and biases that a trained network has.
void stir(UNet3d& net) {
  std::uint64_t seed = 0;
  for (const auto* const all : {&net.parameters(), &net.buffers()}) {
    for (const NamedTensor& t : *all) {
      if (t.tensor.shape().rank() != 1) { continue; }
      Tensor to = t.tensor;
      const Values drawn = reference_input(to.shape().count(), ++seed);
      std::ranges::transform(to.values<float>(), drawn, to.mutable_values<float>().begin(), [](float before, double v) {
        return std::abs(before + static_cast<float>(v) / 8) + 0.01F;
      });
    }
  }
}

struct Variant {
  std::string name;
  UNetConfig config;
  int opset;
  OnnxInstanceNorm instance_norm = OnnxInstanceNorm::means;
};

std::vector<Variant> variants() {
  std::vector<Variant> all{{"seed", with_widths(unet_preset("seed"), {3, 4, 9}), 13},
                           {"tutorial", with_widths(unet_preset("tutorial"), {3, 4, 9}), 17},
                           {"nnunet", with_widths(unet_preset("nnunet"), {2, 3, 4, 5, 6, 6}), 17},
                           {"best", with_widths(unet_preset("best"), {3, 4, 5, 9, 9}), 22},
                           {"one", with_widths(unet_preset("nnunet"), {3, 4, 5}), 13, OnnxInstanceNorm::one},
                           {"best_classes", with_widths(unet_preset("best"), {3, 9, 5}), 20}};
  all.back().config.targets = Targets::classes;
  all.back().config.classes = 4;
  return all;
}

/// NAME.onnx, and NAME.safetensors with images of two extents and what our network makes of them in f64.
void write_variant(const TempFolder& folder, const Variant& v) {
  UNet3d net(v.config, DType::f32, 5);
  stir(net);
  const auto weights = folder / (v.name + ".weights");
  save_checkpoint(weights, net, nullptr, {});
  UNet3d exact(v.config, DType::f64, kNoWeights);
  CheckpointFile(weights).load(exact);
  write_bytes(folder / (v.name + ".onnx"),
              onnx_model(net, {.opset = v.opset, .version = "1", .metadata = {}, .instance_norm = v.instance_norm}));
  std::vector<std::vector<float>> kept;
  std::vector<TensorToWrite> tensors;
  const NoGradScope no_grad;
  const std::int64_t unit = size_divisor(v.config);
  int k = 0;
  for (const Shape& shape : {Shape{3, v.config.in_channels, unit, 2 * unit, unit},
                             Shape{1, v.config.in_channels, 2 * unit, unit, 3 * unit}}) {
    const Values image = reference_input(shape.count(), 9);
    const Tensor logits = exact.forward(to_tensor(image, shape, Kind::volume, DType::f64), {});
    const Values z = logits.to_doubles();
    Values p(z.size());
    const auto voxels = static_cast<std::size_t>(shape.voxels());
    const auto classes = static_cast<std::size_t>(v.config.classes);
    for (std::size_t i = 0; i < z.size(); ++i) {
      double sum = 1 + std::exp(-z[i]);  // 1 / p of a region
      if (v.config.targets == Targets::classes) {
        const std::size_t first = i / (classes * voxels) * classes * voxels + i % voxels;
        sum = 0;
        for (std::size_t c = 0; c < classes; ++c) { sum += std::exp(z[first + c * voxels] - z[i]); }
      }
      p[i] = 1 / sum;
    }
    kept.reserve(6);
    for (const auto& [what, values, s] :
         {std::tuple{"image", &image, shape}, {"logits", &z, logits.shape()}, {"probabilities", &p, logits.shape()}}) {
      kept.emplace_back(values->begin(), values->end());
      tensors.push_back({.name = fmt::format("{}.{}", what, k),
                         .dtype = FileDType::f32,
                         .shape = {s.extents().begin(), s.extents().end()},
                         .bytes = std::as_bytes(std::span(kept.back()))});
    }
    ++k;
  }
  write_safetensors(folder / (v.name + ".safetensors"), tensors, {});
}

}  // namespace

TEST_CASE("an exported network gives in ONNX Runtime what ours gives, for every preset, odd batches and extents",
          "[interchange][onnx]") {
  const TempFolder folder;
  for (const Variant& v : variants()) { write_variant(folder, v); }
  const auto ended = python("tests/tools/onnx_reader.py", folder.path().string());
  if (!ended) { return; }
  fmt::print("{}", ended->output);
  INFO(ended->output);
  CHECK(ended->code == 0);
  CHECK(std::ranges::count(ended->output, '\n') == 24);  // six networks, two extents, two outputs
}

TEST_CASE("an opset that the graph was not made for is refused", "[interchange][onnx][errors]") {
  const UNet3d net(with_widths(unet_preset("seed"), {2, 2, 2}), DType::f32, 1);
  CHECK_THROWS_WITH(onnx_model(net, {.opset = 12, .version = {}, .metadata = {}}),
                    ContainsSubstring("opset 12, wants 13 to 22"));
  CHECK_THROWS_WITH(onnx_model(net, {.opset = 23, .version = {}, .metadata = {}}), ContainsSubstring("opset 23"));
  const UNet3d f64(with_widths(unet_preset("seed"), {2, 2, 2}), DType::f64, 1);
  CHECK_THROWS_WITH(onnx_model(f64, {.opset = 17, .version = {}, .metadata = {}}), ContainsSubstring("wants f32"));
}

TEST_CASE("docs/examples/predict_onnx.py segments a case as predict does, whole and by windows",
          "[interchange][onnx]") {
  const TempFolder folder;
  const Extent3 size{34, 40, 28};
  const CaseFiles files = write_case(folder.path(), "Case_1", size);
  struct Way {
    const char* preset;
    const char* recipe;
    const char* more;
  };
  for (const auto& [preset, recipe, more] : {Way{"best", "native", "--overlap 0.25"}, Way{"seed", "zscore", "--mirror"},
                                             Way{"seed", "seed", "--labels brats2023"}}) {
    INFO(preset << " " << recipe);
    UNet3d net(with_widths(unet_preset(preset), {3, 4, 5}), DType::f32, 4);
    stir(net);
    const std::string model = (folder / fmt::format("{}.safetensors", recipe)).string();
    save_checkpoint(model, net, nullptr,
                    {{"recipe", recipe},
                     {"recipe_size", std::string(recipe) == "native" ? "0" : "16"},
                     {"recipe_spacing_mm", "1,1,1"},
                     {"recipe_patch", "8,12,8"},
                     {"recipe_modalities", "t1,t1ce,t2,flair"}});
    const std::string onnx = (folder / fmt::format("{}.onnx", recipe)).string();
    const Ended exported = voxgrad(fmt::format("export -m {} -o {} {}", model, onnx, more));
    INFO(exported.output);
    REQUIRE(exported.code == 0);
    const auto theirs = folder / fmt::format("{}.nii.gz", recipe);
    const auto ended =
        python("docs/examples/predict_onnx.py", fmt::format("{} {} {}", onnx, files.folder.string(), theirs.string()));
    if (!ended) { return; }
    INFO(ended->output);
    REQUIRE(ended->code == 0);
    REQUIRE(voxgrad(fmt::format("predict -i {} -m {} -o {} {}", files.folder.string(), model, (folder / "out").string(),
                                more))
                .code == 0);
    const LabelMap a = read_nifti_labels(folder / "out" / "Case_1.nii.gz").labels;
    const LabelMap b = read_nifti_labels(theirs).labels;
    CHECK(a.geometry.size == size);
    CHECK(a.geometry == b.geometry);
    std::int64_t unlike = 0;
    std::array<bool, 5> seen{};
    for (std::size_t i = 0; i < a.values.size(); ++i) {
      unlike += a.values[i] == b.values[i] ? 0 : 1;
      seen[a.values[i]] = true;
    }
    fmt::print("predict_onnx.py, {}: {} of {} voxels unlike\n", recipe, unlike, a.values.size());
    CHECK(unlike == 0);
    CHECK(std::ranges::count(seen, true) > 1);
  }
}

}  // namespace vox::test
