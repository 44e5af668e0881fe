#include <algorithm>
#include <fstream>

#include "data/loading/augment.h"
#include "data/loading/splits.h"
#include "data/prepare/prepared_case.h"
#include "engine/safetensors.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/training_run.h"
#include "tools/run/training.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

/// Six labelled cases in bf16, noise with a bright block of three classes; native ones differ in extent, and the last
/// has no tumour.
void make_cache(const fs::path& folder, RecipeKind kind) {
  fs::create_directories(folder);
  for (std::uint32_t n = 0; n < 6; ++n) {
    PreparedCase c;
    c.info.id = "case_" + std::to_string(n);
    c.info.recipe = recipe_named(name(kind), 32);
    const Extent3 size = is_cube(c.info.recipe) ? Extent3{32, 32, 32} : Extent3{14 + 2 * n, 20, 33 - n};
    c.info.mapping = {
        .source = {.size = size, .spacing_mm = {1, 1, 1}, .affine = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0}},
        .box = {.start = {}, .size = size},
        .size = size};
    c.info.labelled = true;
    c.info.image_type = FileDType::bf16;
    const RandomKey key{.seed = 11, .step = n};
    for (std::int64_t v = 0; v < size[0] * size[1] * size[2]; ++v) {
      const std::int64_t d = v / (size[1] * size[2]);
      const std::int64_t h = v / size[2] % size[1];
      const bool inside = n < 5 && d >= 4 && d < 12 && h >= 5 && h < 12;
      c.label.push_back(inside ? static_cast<std::uint8_t>(1 + (d + h) % 3) : std::uint8_t{0});
    }
    for (std::size_t i = 0; i < 4 * c.label.size(); ++i) {
      const std::uint8_t label = c.label[i % c.label.size()];
      c.image.push_back(static_cast<float>(unit(random4(key, i).v[0]) - 0.5 + (label > 0 ? 1.0 + 0.5 * label : 0.0)));
    }
    write_prepared_case(folder / (c.info.id + ".safetensors"), c);
  }
}

TrainOptions patch_options() {
  TrainOptions o = small_training();
  o.patch = {16};
  o.steps_per_epoch = 3;
  return o;
}

}  // namespace

TEST_CASE("training on patches of native cases says so, and goes on bit for bit within an epoch", "[training]") {
  const TempFolder folder;
  const fs::path cache = folder / "cache";
  make_cache(cache, RecipeKind::native);
  const TrainOptions o = patch_options();
  train(cache, folder / "whole", o);
  CHECK(log_of(folder / "whole", "step").size() == 9);
  const auto epochs = log_of(folder / "whole", "epoch");
  REQUIRE(epochs.size() == 3);
  CHECK(epochs.back().at("dice").at("WT").is_number());  // validated, by windows
  CHECK(train_and_interrupt(cache, folder / "parts", 4, {"--patch", "16,16,16", "--steps-per-epoch", "3"}) == 130);
  const auto stopped = log_of(folder / "parts", "step").size();
  if (stopped < 9) { train(cache, folder / "parts", o, Training::Start::resume); }
  CHECK(tensors_of(folder / "whole" / "last.safetensors") == tensors_of(folder / "parts" / "last.safetensors"));
  CHECK(log_of(folder / "whole", "step") == log_of(folder / "parts", "step"));
  CHECK(log_of(folder / "whole", "epoch") == log_of(folder / "parts", "epoch"));

  const SafetensorsFile checkpoint(folder / "whole" / "last.safetensors");
  CHECK(checkpoint.meta("recipe_patch") == "16,16,16");
  CHECK(checkpoint.meta("recipe_spacing_mm") == "1,1,1");
  const Ended e =
      voxgrad("train --epochs 4 --resume --patch 16 -i " + quoted(cache) + " -o " + quoted(folder / "whole"));
  CAPTURE(e.output);
  CHECK(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("patches of 16^3, a share of 0.33 with tumour; validation by windows") &&
                           ContainsSubstring("are smaller than the patch, and 0 is put around them: case_0"));
  const bool trained_on_it =
      e.output.find("1 of 4 cases hold no tumour, and their patches lie anywhere: case_5") != std::string::npos;
  const std::string splits = read_bytes(folder / "whole" / "splits.json");
  CHECK(trained_on_it == (splits.find("case_5") < splits.find("\"val\"")));
  CHECK(voxgrad("train --epochs 5 --resume --patch 32 -i " + quoted(cache) + " -o " + quoted(folder / "whole")).code ==
        2);
}

TEST_CASE("raw cases become native ones, patches, a network, and segmentations on their own grid", "[training][cli]") {
  const TempFolder folder;
  const auto at = [&](const char* name) { return quoted(folder / name); };
  REQUIRE(voxgrad("synth --cases 3 --size 40 36 32 -o " + at("raw")).code == 0);
  REQUIRE(voxgrad("prepare --recipe native --spacing-mm 5,5,5 -i " + at("raw") + " -o " + at("cache")).code == 0);
  const Ended trained = voxgrad(
      "train --patch 16 --widths 2 2 2 2 2 --epochs 1 --batch 2 --folds 3 --targets regions "
      "--loss dice+bce -i " +
      at("cache") + " -o " + at("run"));
  CAPTURE(trained.output);
  REQUIRE(trained.code == 0);
  // By one thread, the second time by two: small loops of several wait for each other where tests share the cores.
  const std::string predict = "predict --verbose -i " + at("raw") + " -m " + at("run") + " -o ";
  const std::string by_one = " --threads 1";
  const Ended e = voxgrad(predict + at("out") + by_one);
  CAPTURE(e.output);
  CHECK(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("windows of 16^3, overlap 0.5, gaussian blend, starts as nnunet has them") &&
                           ContainsSubstring("3 of 3 cases segmented"));
  CHECK(voxgrad("evaluate -g " + at("raw") + " -p " + at("out")).code == 0);  // the same grid

  const auto segmentation = [&](const char* out) { return read_bytes(fs::directory_iterator(folder / out)->path()); };
  CHECK(voxgrad(predict + at("again") + " --threads 2").code == 0);
  CHECK(segmentation("again") == segmentation("out"));
  CHECK(voxgrad(predict + at("others") +
                " --window 32,16,16 --overlap 0.25 --window-rule monai --blend constant "
                "--window-batch 3 --mirror -m " +
                at("run") + by_one)
            .code == 0);
  for (const auto& [wrong, why] : std::vector<std::pair<std::string, std::string>>{
           {"--window 24", "--window is 24, wants one number or three"},
           {"--window 16,16", "--window is 16,16, wants one number or three"},
           {"--overlap 1", "overlap 1 of neighbours"},
           {"--window-rule keras", "rule 'keras', wants nnunet or monai"},
           {"--blend mean", "blend 'mean', wants gaussian or constant"},
           {"--window-batch 0", "0 at a time"}}) {
    const Ended refused = voxgrad(predict + at("none") + " " + wrong);
    CHECK(refused.code == 2);
    CHECK_THAT(refused.output, ContainsSubstring(why));
  }
  CHECK_FALSE(fs::exists(folder / "none"));
  const Ended small = voxgrad(predict + at("none") + " --memory 1MiB");
  CHECK(small.code == 4);
  CHECK_THAT(small.output, ContainsSubstring("by windows of 16^3, 1 at a time"));
  const Ended plan = voxgrad("plan --patch 16 --widths 2 2 2 2 2 --case 155,240,240");
  CHECK_THAT(plan.output, ContainsSubstring("segmenting a case of 155x240x240: ") && ContainsSubstring(" windows"));
  CHECK(voxgrad("plan --patch 16 --case 155,240").code == 2);
}

TEST_CASE("the preset nnunet trains, and goes on bit for bit", "[training][cli]") {
  const TempFolder folder;
  make_cache(folder / "cache", RecipeKind::native);
  const auto nnunet = [&](const char* run, const std::string& more) {
    const Ended e = voxgrad("train -i " + quoted(folder / "cache") + " -o " + quoted(folder / run) +
                            " --folds 3 --preset nnunet --widths 2 3 4 --supervision 2 --patch 16 --lr 0.02 "
                            "--steps-per-epoch 2 " +
                            more);
    CAPTURE(e.output);
    REQUIRE(e.code == 0);
    return e.output;
  };
  const std::string said = nnunet("whole", "--epochs 2");
  CHECK_THAT(said,
             ContainsSubstring("preset nnunet: targets regions, loss dice+bce, sums batch, foreground 0.33, batch 2, "
                               "optimizer sgd, momentum 0.99, nesterov on, schedule poly, weight-decay 3e-5, clip-norm "
                               "12, augment nnunet\n"));
  nnunet("parts", "--epochs 1");
  nnunet("parts", "--epochs 2 --resume --norm instance");
  CHECK(tensors_of(folder / "whole" / "last.safetensors") == tensors_of(folder / "parts" / "last.safetensors"));
  CHECK(tensors_of(folder / "whole" / "last.safetensors").contains("heads.1.weight"));
  CHECK_THAT(read_bytes(folder / "whole" / "config.toml"), ContainsSubstring("clip-norm = 12") &&
                                                               ContainsSubstring("lr = 0.02") &&
                                                               ContainsSubstring("preset = \"nnunet\""));
  const Ended again = voxgrad("train --resume --norm batch --epochs 3 -i " + quoted(folder / "cache") + " -o " +
                              quoted(folder / "parts"));
  CHECK(again.code == 2);
  CHECK_THAT(again.output, ContainsSubstring("norm is \"instance\" in the run, \"batch\" was asked"));
  const Ended info = voxgrad("info --size 8 -m " + quoted(folder / "whole"));
  CHECK_THAT(info.output,
             ContainsSubstring("nnunet: 4 channels to 3 regions; 3 levels of 2 3 4; instance norm behind a bias, "
                               "leaky ReLU 0.01, strided convolutions, no dropout, the loss sees 2 levels"));
}

TEST_CASE("patches of cubes are trained on, and the cubes validated whole", "[training]") {
  const TempFolder folder;
  make_cache(folder / "cache", RecipeKind::zscore);
  TrainOptions o = patch_options();
  o.epochs = 1;
  o.patch = {16, 32, 16};
  o.batch = 8;  // more than the four cases
  o.steps_per_epoch = 1;
  train(folder / "cache", folder / "run", o);
  const auto steps = log_of(folder / "run", "step");
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].at("cases").size() == 8);
  CHECK(SafetensorsFile(folder / "run" / "last.safetensors").meta("recipe_size") == "32");
  const std::string config = read_bytes(folder / "run" / "config.toml");
  CHECK_THAT(config, ContainsSubstring("patch = [16,32,16]") && ContainsSubstring("steps-per-epoch = 1"));
  const Ended e = voxgrad("train --config " + quoted(folder / "run" / "config.toml") + " -i " +
                          quoted(folder / "cache") + " -o " + quoted(folder / "again"));
  CAPTURE(e.output);
  CHECK(e.code == 0);
  CHECK(tensors_of(folder / "run" / "last.safetensors") == tensors_of(folder / "again" / "last.safetensors"));
}

TEST_CASE("a device trains on the patches that the cpu's loader makes, whoever augments them", "[training][simt]") {
  const TempFolder folder;
  make_cache(folder / "cache", RecipeKind::native);
  TrainOptions o = patch_options();
  o.widths = {2, 2, 2, 2, 2};
  o.epochs = 1;
  o.steps_per_epoch = 1;
  o.validate_every = 9;
  std::vector<double> losses;
  for (const char* const augment : {"all", "nnunet,rotate@1,noise@1,gamma=off"}) {
    for (const char* const device : {"cpu", "simt"}) {
      o.device = device;
      o.augment = augment;
      const fs::path run = folder / (device + std::to_string(losses.size()));
      train(folder / "cache", run, o);
      losses.push_back(log_of(run, "step").at(0).at("loss"));
      const auto start = log_of(run, "start").at(0);
      CHECK(start.at("augmentation") == augment_text(augment));
      CHECK(start.at("augmented_by") == (losses.size() == 2 ? "device" : "loader"));
      CHECK_THAT(read_bytes(run / "config.toml"), ContainsSubstring("augment = \"" + augment_text(augment) + "\""));
    }
    CHECK(std::abs(losses[losses.size() - 1] / losses[losses.size() - 2] - 1) < 1e-5);
  }
  CHECK(std::abs(losses[0] / losses[2] - 1) > 1e-5);
}

TEST_CASE("patches that do not suit the cases are refused, and options that make none", "[training][errors]") {
  const TempFolder folder;
  make_cache(folder / "native", RecipeKind::native);
  make_cache(folder / "cubes", RecipeKind::zscore);
  const auto refused = [&](const char* cache, const TrainOptions& o, const std::string& why) {
    CHECK_THROWS_WITH(train(folder / cache, folder / "run", o), ContainsSubstring(why));
    CHECK_FALSE(fs::exists(folder / "run"));
  };
  TrainOptions o = patch_options();
  o.patch = {};
  refused("native", o, "extents of their own, and a batch wants one: give --patch");
  o.size = 32;
  refused("native", o, "cases of recipe native have extents of their own, --size wants 32");
  o = patch_options();
  o.patch = {16, 48, 16};
  refused("cubes", o, "--patch is 16,48,16, wants at most 32 along each axis");
  for (const std::vector<std::int64_t>& patch :
       std::vector<std::vector<std::int64_t>>{{24}, {16, 16}, {16, 16, 0}, {-16}, {16, 16, 16, 16}, {8192}}) {
    o.patch = patch;
    refused("native", o,
            fmt::format("--patch is {}, wants auto, or one number or three (D,H,W)", fmt::join(patch, ",")));
  }
  o = patch_options();
  o.foreground = std::nan("");
  refused("native", o, "--foreground is nan, wants a share from 0 to 1");
  o.foreground = 1.5;
  refused("native", o, "--foreground is 1.5");
  o = patch_options();
  const fs::path first = folder / "cubes" / "case_0.safetensors";
  {
    const SafetensorsFile file(first);
    std::vector<TensorToWrite> tensors;
    for (const char* tensor : {"image", "label"}) {
      tensors.push_back({tensor, file.tensor(tensor).dtype, file.tensor(tensor).shape, file.tensor(tensor).bytes});
    }
    Metadata metadata = file.metadata();
    metadata["format"] = "voxgrad prepared case 1";
    write_safetensors(folder / "old", tensors, metadata);
    fs::rename(folder / "old", first);
  }
  o.splits = (folder / "all.json").string();
  write_splits(o.splits, {{.train = {"case_0", "case_1"}, .val = {}}});
  refused("cubes", o, "case_0.safetensors: holds no positions of its foreground, which patches want");
  o = patch_options();
  o.steps_per_epoch = -1;
  refused("native", o, "--steps-per-epoch is -1, wants 0 to");
  const Ended e = voxgrad("plan --patch 16,32,17");
  CHECK(e.code == 2);
  CHECK_THAT(e.output, ContainsSubstring("--patch is 16,32,17"));
  nlohmann::json before = nlohmann::json::parse(to_json(TrainOptions{}));  // of a run from before patches
  for (const char* key : {"patch", "foreground", "steps_per_epoch"}) { CHECK(before.erase(key) == 1); }
  CHECK(to_json(train_options_from_json(before.dump(), "x")) == to_json(TrainOptions{}));
}

TEST_CASE("plan counts the memory of patches", "[plan]") {
  const auto plan = [](const std::string& extents) {
    return nlohmann::json::parse(voxgrad("plan --json --batch 2 --memory 8GiB " + extents).output);
  };
  const auto cube = plan("--size 32");
  const auto patch = plan("--patch 32");
  const auto flat = plan("--patch 16,32,32");
  CHECK(patch.at("extents") == nlohmann::json({32, 32, 32}));
  CHECK(cube.at("training") == patch.at("training"));
  const std::int64_t sample = 32 * 32 * 32 * (4 * 4 + 1);
  CHECK(patch.at("waiting_batches_bytes") == cube.at("waiting_batches_bytes").get<std::int64_t>() + sample);
  CHECK(cube.at("waiting_batches_bytes") == 4 * 2 * sample);
  CHECK(flat.at("waiting_batches_bytes") == 4 * sample + sample / 2);
  CHECK(flat.at("training").at("peak_bytes") < cube.at("training").at("peak_bytes"));
}

}  // namespace vox::test
