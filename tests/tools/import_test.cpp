#include <algorithm>

#include "engine/tape.h"
#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "model/warm_start.h"
#include "tests/engine/op_case.h"
#include "tests/support/catch.h"
#include "tests/support/compare.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/reference_input.h"
#include "tests/support/training_run.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = VOX_SOURCE_DIR "/tests/golden/";

/// The logits of a model file in f64, and those that another program got, f32 weights in both. Channel k of their head
/// is ours_of[k] here.
void check_logits(const fs::path& model, const std::string& reference, const std::string& key, double allowed,
                  const std::vector<std::size_t>& ours_of) {
  const CheckpointFile file(model);
  UNet3d net(file.config(), DType::f64, kNoWeights);
  file.load(net);
  const SafetensorsFile wanted(kGolden + reference);
  const Shape shape{2, file.config().in_channels, 16, 8, 24};  // SHAPE of the scripts
  const NoGradScope no_grad;
  const Values input = reference_input(shape.count(), std::stoull(wanted.meta("input_seed")));
  const Values all = net.forward(to_tensor(input, shape, Kind::volume, DType::f64), {}).to_doubles();
  Values some;
  const auto voxels = static_cast<std::size_t>(shape.voxels());
  for (std::size_t i = 0; i < all.size(); i += std::stoull(wanted.meta("logit_stride"))) {
    const std::size_t channel = i / voxels % ours_of.size();
    some.push_back(all[i + (ours_of[channel] - channel) * voxels]);
  }
  const double error = relative_error(some, wanted.read<double>(key));
  fmt::print("{}: {:.1e} of the largest logit\n", key, error);
  CHECK(error < allowed);
}

/// A copy of a file of weights with other tensors, as act() makes them of it.
void write_changed(const fs::path& from, const fs::path& to,
                   const std::function<void(std::vector<TensorToWrite>&)>& act) {
  const SafetensorsFile file(from);
  std::vector<TensorToWrite> tensors;
  for (const auto& [name, t] : file.tensors()) {
    tensors.push_back({.name = name, .dtype = t.dtype, .shape = t.shape, .bytes = t.bytes});
  }
  act(tensors);
  write_safetensors(to, tensors, {});
}

TensorToWrite& named(std::vector<TensorToWrite>& tensors, const std::string& name) {
  return *std::ranges::find(tensors, name, &TensorToWrite::name);
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), by);
}

}  // namespace

TEST_CASE("nnU-Net's own networks compute here what they compute there: regions, and labels in another order",
          "[interchange][import]") {
  const TempFolder folder;
  for (const std::string name : {"regions", "classes"}) {
    INFO(name);
    const std::string start = kGolden + "nnunet_import/" + name;
    const fs::path out = folder / (name + ".safetensors");
    const Ended e =
        voxgrad(fmt::format("import --from nnunet {0}.safetensors --plans {0}_plans.json --dataset "
                            "{0}_dataset.json -o {1}",
                            start, out.string()));
    INFO(e.output);
    REQUIRE(e.code == 0);
    // The classes of theirs are background, oedema, necrotic, enhancing.
    const auto ours_of = name == "regions" ? std::vector<std::size_t>{0, 1, 2} : std::vector<std::size_t>{0, 2, 1, 3};
    check_logits(out, fmt::format("nnunet_import/{}_logits.safetensors", name), "logits", 1e-10, ours_of);
    const CheckpointFile file(out);
    CHECK(file.metadata().at("recipe") == "native");
    CHECK(file.metadata().at("recipe_patch") == "16,8,24");
    CHECK(file.metadata().at("recipe_spacing_mm") == "1,1,1");
    CHECK(file.metadata().at("recipe_modalities") == "t1,t1ce,t2,flair");
    CHECK(voxgrad("info --size 64 -m " + out.string()).code == 0);
  }
}

TEST_CASE("what of nnU-Net's plans our network cannot be is refused by its field", "[interchange][import][errors]") {
  const TempFolder folder;
  const std::string start = kGolden + "nnunet_import/regions";
  const std::string plans = read_bytes(start + "_plans.json");
  const std::string dataset = read_bytes(start + "_dataset.json");
  const fs::path out = folder / "out.safetensors";
  const auto import = [&](const std::string& p, const std::string& d, const std::string& weights) {
    write_bytes(folder / "plans.json", p);
    write_bytes(folder / "dataset.json", d);
    const Ended e = voxgrad(fmt::format("import --from nnunet {} --plans {} -o {}", weights,
                                        (folder / "plans.json").string(), out.string()));
    INFO(e.output);
    CHECK(e.code == 3);
    CHECK_FALSE(fs::exists(out));
    return e.output;
  };
  const std::string weights = start + ".safetensors";
  const std::string squeezed = [&] {  // without the spaces and lines of Python's indentation
    std::string text = plans;
    std::erase_if(text, [](char c) { return c == ' ' || c == '\n'; });
    return text;
  }();
  struct Change {
    std::string what, by, said;
  };
  for (const auto& [what, by, said] : std::vector<Change>{
           {"[2,2,2]],", "[2,2,1]],", "strides[3] is [2,2,1], wants [2,2,2]"},
           {"[[3,3,3]", "[[1,3,3]", "kernel_sizes[0] is [1,3,3], wants [3,3,3]"},
           {"PlainConvUNet", "ResidualEncoderUNet", "ResidualEncoderUNet\", wants PlainConvUNet"},
           {"\"n_conv_per_stage\":[2", "\"n_conv_per_stage\":[3", "n_conv_per_stage[0] is 3, wants 2"},
           {"ZScoreNormalization", "CTNormalization", "normalization_schemes[0] is \"CTNormalization\""},
           {"\"use_mask_for_norm\":[true", "\"use_mask_for_norm\":[false", "use_mask_for_norm[0] is false"},
           {"\"patch_size\":[16", "\"patch_size\":[20", "patch_size is [20,8,24], wants three multiples of 8"},
           {"\"transpose_forward\":[0,1", "\"transpose_forward\":[1,0", "transpose_forward is [1,0,2]"},
           {"\"features_per_stage\":[2,4", "\"features_per_stage\":[2,5", "of another shape or type: "},
           {"3d_fullres", "3d_lowres", "has no configurations.3d_fullres"}}) {
    INFO(what);
    CHECK_THAT(import(replaced(squeezed, what, by), dataset, weights), ContainsSubstring(said));
  }
  CHECK_THAT(import(plans, replaced(dataset, "\"enhancing tumor\"", "\"ignore\""), weights),
             ContainsSubstring("labels.ignore"));
  CHECK_THAT(import(plans, replaced(dataset, "\"T1ce\"", "\"CT\""), weights),
             ContainsSubstring("channel_names.1 is \"CT\""));
  CHECK_THAT(import("{", dataset, weights), ContainsSubstring("plans.json: is not JSON"));
  const fs::path fewer = folder / "fewer.safetensors";
  write_changed(weights, fewer, [](auto& tensors) {
    std::erase_if(tensors, [](const TensorToWrite& t) { return t.name.ends_with("transpconvs.1.bias"); });
    tensors.push_back(tensors.front());
    tensors.back().name = "decoder.attention.weight";
  });
  CHECK_THAT(import(plans, dataset, fewer.string()), ContainsSubstring("1 missing: 'decoder.transpconvs.1.bias'") &&
                                                         ContainsSubstring("1 unexpected: 'decoder.attention.weight'"));
}

TEST_CASE("plans of nnU-Net before 2.4 say the same otherwise", "[interchange][import]") {
  const TempFolder folder;
  const std::string start = kGolden + "nnunet_import/regions";
  write_bytes(folder / "plans.json",
              R"({"configurations": {"base": {"UNet_class_name": "PlainConvUNet", "UNet_base_num_features": 2,
    "unet_max_num_features": 4, "n_conv_per_stage_encoder": [2, 2, 2, 2], "n_conv_per_stage_decoder": [2, 2, 2],
    "pool_op_kernel_sizes": [[1, 1, 1], [2, 2, 2], [2, 2, 2], [2, 2, 2]],
    "conv_kernel_sizes": [[3, 3, 3], [3, 3, 3], [3, 3, 3], [3, 3, 3]], "normalization_schemes": ["ZScoreNormalization"],
    "use_mask_for_norm": [true], "spacing": [1, 1, 1], "patch_size": [16, 16, 16]},
    "3d_fullres": {"inherits_from": "base", "patch_size": [8, 16, 24]}}})");
  const fs::path out = folder / "out.safetensors";
  const Ended e =
      voxgrad(fmt::format("import --from nnunet {0}.safetensors --plans {1} --dataset {0}_dataset.json -o {2}", start,
                          (folder / "plans.json").string(), out.string()));
  INFO(e.output);
  REQUIRE(e.code == 0);
  check_logits(out, "nnunet_import/regions_logits.safetensors", "logits", 1e-10, {0, 1, 2});
  CHECK(CheckpointFile(out).metadata().at("recipe_patch") == "8,16,24");
}

TEST_CASE("Keras' files hold the tutorial's network in each of their layouts", "[interchange][import]") {
  const TempFolder folder;
  struct Layout {
    const char* file;
    const char* more;
    const char* key;
  };
  for (const auto& [file, more, key] : {Layout{"full.h5", "", "plain"}, Layout{"three.weights.h5", "", "plain"},
                                        Layout{"two.h5", "", "plain"}, Layout{"norm.h5", "--norm batch", "norm"}}) {
    INFO(file);
    const fs::path run = folder / file;  // a folder
    const Ended e =
        voxgrad(fmt::format("import --from keras {}keras_import/{} --preset tutorial --widths 2 3 4 {} -o {}", kGolden,
                            file, more, run.string()));
    if (e.code == 2 && e.output.find("needs HDF5's library") != std::string::npos) {
      fmt::print("skipped: {}", e.output);
      return;
    }
    INFO(e.output);
    REQUIRE(e.code == 0);
    // Keras' own batch norm keeps no more than f32's digits in f64: one layer is 1.6e-7 off its formula.
    check_logits(run / "best.safetensors", "keras_import/logits.safetensors", key, *more == '\0' ? 1e-10 : 1e-6,
                 {0, 1, 2, 3});
    CHECK(CheckpointFile(run / "best.safetensors").metadata().at("recipe_modalities") == "flair,t1ce,t2");
    CHECK(voxgrad("info -m " + run.string()).code == 0);
  }
}

TEST_CASE("an .h5 file of another network names the first layer that does not fit", "[interchange][import][errors]") {
  const TempFolder folder;
  const fs::path out = folder / "out.safetensors";
  const auto import = [&](const std::string& file, const std::string& more) {
    return voxgrad(fmt::format("import --from keras {} -o {} {}", file, out.string(), more));
  };
  const std::string start = kGolden + "keras_import/";
  const Ended absent = voxgrad(
      fmt::format("import --from keras {}full.h5 -o {} --preset tutorial --set preset=tutorial", start, out.string()));
  if (absent.output.find("needs HDF5's library") != std::string::npos) {
    fmt::print("skipped: {}", absent.output);
    return;
  }
  struct Wrong {
    std::string file, more, said;
  };
  write_bytes(folder / "cut.h5", read_bytes(start + "full.h5").substr(0, 30'000));
  write_bytes(folder / "text.h5", "no HDF5");
  write_bytes(folder / "before.h5",
              replaced(read_bytes(start + "norm.h5"), "\"activation\": \"linear\"", "\"activation\": \"relu\"  "));
  write_bytes(folder / "model.keras", "PK\x03\x04 and more");
  for (const auto& [file, more, said] : std::vector<Wrong>{
           {start + "full.h5", "--preset tutorial",
            "layer 'conv3d' is the first that does not fit: it has 3x3x3x3x2, 2, and encoder.0.conv1 wants 3x3x3x3x16, "
            "16"},
           {start + "full.h5", "--preset tutorial --widths 2 3 5", "layer 'conv3d_4' is the first that does not fit"},
           {start + "full.h5", "--preset tutorial --widths 2 3 4 4", "layer 'conv3d_6' is the first"},
           {start + "full.h5", "--preset seed --widths 2 3 4", "has no batch norm; --norm none"},
           {start + "norm.h5", "--preset tutorial --widths 2 3 4", "has batch norm; --norm batch takes it for"},
           {(folder / "before.h5").string(), "--preset tutorial --norm batch --widths 2 3 4",
            "layer 'conv3d' has activation relu in front of batch norm"},
           {(folder / "cut.h5").string(), "--preset tutorial", "or a damaged one"},
           {(folder / "text.h5").string(), "--preset tutorial", "is no file of HDF5"},
           {(folder / "model.keras").string(), "--preset tutorial", "model.save_weights('NAME.weights.h5')"},
           {(folder / "absent.h5").string(), "--preset tutorial", "cannot open: No such file"}}) {
    INFO(file << " " << more);
    const Ended e = import(file, more);
    CHECK(e.code == 3);
    CHECK_THAT(e.output, ContainsSubstring(said));
    CHECK_FALSE(fs::exists(out));
  }
  ::setenv("VOXGRAD_HDF5", "/no/such/libhdf5.so", 1);
  const Ended e = import(start + "full.h5", "--preset tutorial --widths 2 3 4");
  ::unsetenv("VOXGRAD_HDF5");
  CHECK(e.code == 2);
  CHECK_THAT(e.output, ContainsSubstring("libhdf5-103-1") && ContainsSubstring("/no/such/libhdf5.so"));
}

TEST_CASE("a state dict of PyTorch's module comes in, goes out and comes in again", "[interchange][import]") {
  const TempFolder folder;
  const UNet3d net(with_widths(unet_preset("best"), {2, 3, 4}), DType::f32, 6);
  save_checkpoint(folder / "own.safetensors", net, nullptr, {});
  const auto own = tensors_of(folder / "own.safetensors");
  write_changed(folder / "own.safetensors", folder / "dict.safetensors", [](auto& tensors) {
    for (TensorToWrite& t : tensors) { t.name = "_orig_mod." + t.name; }
  });
  const std::string options = " --preset best --widths 2 3 4";
  const Ended in = voxgrad(fmt::format("import --from torch {} -o {} {} --patch 16 --spacing-mm keep",
                                       (folder / "dict.safetensors").string(), (folder / "run").string(), options));
  INFO(in.output);
  REQUIRE(in.code == 0);
  CHECK(tensors_of(folder / "run" / "best.safetensors") == own);
  CHECK(CheckpointFile(folder / "run" / "best.safetensors").metadata().at("recipe_spacing_mm") == "keep");
  const Ended out = voxgrad(fmt::format("export --to safetensors -m {} -o {}", (folder / "run").string(),
                                        (folder / "out.safetensors").string()));
  INFO(out.output);
  REQUIRE(out.code == 0);
  CHECK(tensors_of(folder / "out.safetensors") == own);
  CHECK(voxgrad(fmt::format("export -m {} -o {}", (folder / "out.safetensors").string(), (folder / "x.onnx").string()))
            .code == 0);
  CHECK(fs::exists(folder / "x.json"));
  UNet3d fresh(net.config(), DType::f32, 7);
  CHECK(warm_start(fresh, folder / "run" / "best.safetensors").left.empty());  // train --init-from
}

TEST_CASE("pickles, other shapes, other names and damaged files are refused, and nothing stays",
          "[interchange][import][errors]") {
  const TempFolder folder;
  const UNet3d net(with_widths(unet_preset("seed"), {2, 3, 4}), DType::f32, 6);
  const fs::path own = folder / "own.safetensors";
  save_checkpoint(own, net, nullptr, {});
  const fs::path out = folder / "out.safetensors";
  const auto import = [&](const fs::path& file, int code) {
    const Ended e = voxgrad(fmt::format("import --from torch {} -o {} --widths 2 3 4", file.string(), out.string()));
    INFO(e.output);
    CHECK(e.code == code);
    CHECK_FALSE(fs::exists(out));
    return e.output;
  };
  write_bytes(folder / "a.pt", "PK\x03\x04 and more");
  CHECK_THAT(import(folder / "a.pt", 3), ContainsSubstring("is a pickle") && ContainsSubstring("python3 -c") &&
                                             ContainsSubstring("runs when it is loaded"));
  write_bytes(folder / "b.bin", "\x80\x02}q");
  CHECK_THAT(import(folder / "b.bin", 3), ContainsSubstring("is a pickle"));
  write_bytes(folder / "cut.safetensors", read_bytes(own).substr(0, 2000));
  CHECK_THAT(import(folder / "cut.safetensors", 3), ContainsSubstring("cut.safetensors"));
  const fs::path changed = folder / "changed.safetensors";
  write_changed(own, changed, [](auto& tensors) {
    std::erase_if(tensors, [](const TensorToWrite& t) { return t.name.starts_with("up."); });
    TensorToWrite& head = named(tensors, "head.bias");
    head.shape = {2, 2};
    named(tensors, "bottleneck.norm1.weight").name = "bottleneck.bn1.weight";
  });
  CHECK_THAT(import(changed, 3), ContainsSubstring("5 missing: 'bottleneck.norm1.weight'") &&
                                     ContainsSubstring(" and 1 more") &&
                                     ContainsSubstring("'head.bias' is f32 2x2, wants 4") &&
                                     ContainsSubstring("1 unexpected: 'bottleneck.bn1.weight' f32 4"));
  std::vector<float> bad(4, std::numeric_limits<float>::quiet_NaN());
  write_changed(own, changed,
                [&](auto& tensors) { named(tensors, "head.bias").bytes = std::as_bytes(std::span(bad)); });
  CHECK_THAT(import(changed, 5), ContainsSubstring("'head.bias' holds nan"));
  CHECK_THAT(import(folder / "absent.safetensors", 3), ContainsSubstring("absent.safetensors"));
  CHECK(voxgrad(fmt::format("import --from torch {} -o {} --plans x.json", own.string(), out.string())).code == 2);
  CHECK(voxgrad(fmt::format("import --from nnunet {} -o {}", own.string(), out.string())).code == 2);
  CHECK(voxgrad(fmt::format("export -m {} -o {} --opset 12", own.string(), (folder / "a.onnx").string())).code == 2);
  const fs::path run = folder / "run.safetensors";
  save_checkpoint(run, net, nullptr,
                  {{"recipe", "seed"}, {"recipe_size", "16"}, {"recipe_modalities", "t1,t1ce,t2,flair"}});
  const std::string weights = (folder / "w.safetensors").string();
  for (const std::string& more : std::vector<std::string>{"-o " + weights, "-o w.onnx --to safetensors",
                                                          "-o " + weights + " --to safetensors --mirror"}) {
    INFO(more);
    CHECK(voxgrad(fmt::format("export -m {} {}", run.string(), more)).code == 2);
    CHECK_FALSE(fs::exists(weights));
  }
  const auto nowhere = folder / "none" / "a.onnx";
  CHECK(voxgrad(fmt::format("export -m {} -o {}", run.string(), nowhere.string())).code == 2);
  fs::create_directory(folder / "a.onnx");  // where a file cannot be
  CHECK(voxgrad(fmt::format("export -m {} -o {}", run.string(), (folder / "a.onnx").string())).code == 2);
  CHECK_FALSE(fs::exists(folder / "a.json"));
  fs::remove(folder / "a.onnx");
  CHECK(voxgrad(fmt::format("export -m {} -o {}", own.string(), (folder / "a.onnx").string())).code == 3);  // no recipe
}

}  // namespace vox::test
