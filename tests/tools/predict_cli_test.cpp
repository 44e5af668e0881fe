// predict as a program: what is beside the labels, and a network that gives no numbers.
#include <algorithm>

#include "data/cases/dataset.h"
#include "engine/safetensors.h"
#include "model/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/small_case.h"
#include "tests/support/training_run.h"
#include "tools/run/ensemble.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

/// A network of a training of one epoch, and two cases to segment.
fs::path make_run_and_cases(const TempFolder& folder) {
  for (const char* id : {"a1", "a2"}) { write_case(folder / "raw", id, {kSmallSize, kSmallSize, kSmallSize}); }
  make_training_cache(folder / "cache");
  TrainOptions o = small_training();
  o.epochs = 1;
  train(folder / "cache", folder / "run", o);
  return folder / "run";
}

/// The same network with another value in every parameter.
void fill_parameters(const fs::path& file, float value) {
  const CheckpointFile read(file);
  UNet3d net(read.config(), DType::f32, std::nullopt);
  read.load(net);
  for (const NamedTensor& t : net.parameters()) { std::ranges::fill(Tensor(t.tensor).mutable_values<float>(), value); }
  save_checkpoint(file, net, nullptr, read.metadata());
}

}  // namespace

TEST_CASE("predict --save-logits writes what the network was given and what it gave", "[cli][predict]") {
  const TempFolder folder;
  const fs::path run = make_run_and_cases(folder);
  const Ended e = voxgrad("predict --save-logits -m " + quoted(run) + " -i " + quoted(folder / "raw") + " -o " +
                          quoted(folder / "out"));
  INFO(e.output);
  REQUIRE(e.code == 0);
  const Ensemble ensemble({run});
  for (const char* const id : {"a1", "a2"}) {
    const SafetensorsFile file(folder / "out" / (std::string(id) + "_logits.safetensors"));
    CHECK(file.meta("id") == id);
    const TensorInFile& image = file.tensor("image");
    CHECK(image.shape == std::vector<std::int64_t>{4, kSmallSize, kSmallSize, kSmallSize});
    CHECK(file.tensor("logits").shape == image.shape);
    const std::span given(reinterpret_cast<const float*>(image.bytes.data()), image.bytes.size() / sizeof(float));
    const auto out = ensemble.run(given, {kSmallSize, kSmallSize, kSmallSize}, Ensemble::Mirror::off);
    CHECK(std::ranges::equal(file.tensor("logits").bytes, std::as_bytes(std::span(out.logits))));
  }
}

TEST_CASE("a network that gives no finite numbers ends predict with its file's name, and nothing is written",
          "[cli][predict]") {
  const TempFolder folder;
  const fs::path run = make_run_and_cases(folder);
  fill_parameters(run / "best.safetensors", 1e38F);
  const Ended e =
      voxgrad("predict -m " + quoted(run) + " -i " + quoted(folder / "raw") + " -o " + quoted(folder / "out"));
  INFO(e.output);
  CHECK(e.code == 5);
  CHECK_THAT(e.output, ContainsSubstring("best.safetensors: the network's output is not finite"));
  for (const char* const id : {"a1", "a2"}) { CHECK_FALSE(fs::exists(folder / "out" / (std::string(id) + ".nii.gz"))); }
}

TEST_CASE("evaluate names what it leaves out, and what it ignores", "[cli][evaluate]") {
  const TempFolder folder;
  constexpr Extent3 kSize{16, 16, 16};
  for (const char* id : {"a1", "a2"}) { write_case(folder / "truth", id, kSize); }
  for (const char* id : {"a1", "b1", "b2", "b3", "b4", "b5", "b6"}) { write_case(folder / "found", id, kSize); }
  Ended e = voxgrad("evaluate -g " + quoted(folder / "truth") + " -p " + quoted(folder / "found") + " --allow-missing");
  INFO(e.output);
  CHECK_THAT(e.output, ContainsSubstring("left out, no prediction: a2"));
  CHECK_THAT(e.output, ContainsSubstring("ignored, no such case: b1_seg.nii, b2_seg.nii"));
  fs::remove(find_cases(folder / "truth").front().labels);
  fs::remove(find_cases(folder / "truth").back().labels);
  e = voxgrad("evaluate -g " + quoted(folder / "truth") + " -p " + quoted(folder / "found"));
  CHECK(e.code == 3);
  CHECK_THAT(e.output, ContainsSubstring("truth: case a1 has no label file to compare with"));
}

TEST_CASE("prepare tells of what it finds and the input does not have, and --prune removes it", "[cli][prepare]") {
  const TempFolder folder;
  constexpr Extent3 kSize{16, 16, 16};
  for (const char* id : {"a1", "a2", "a3"}) { write_case(folder / "raw", id, kSize); }
  const std::string command =
      "prepare --size 16 --recipe zscore -i " + quoted(folder / "raw") + " -o " + quoted(folder / "cache");
  REQUIRE(voxgrad(command).code == 0);
  fs::remove_all(find_cases(folder / "raw").back().folder);
  Ended e = voxgrad(command);
  CHECK(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("1 prepared case") && ContainsSubstring("--prune removes such: a3"));
  CHECK(fs::exists(folder / "cache" / "a3.safetensors"));
  e = voxgrad(command + " --prune");
  CHECK(e.code == 0);
  CHECK_THAT(e.output, ContainsSubstring("and was removed: a3"));
  CHECK_FALSE(fs::exists(folder / "cache" / "a3.safetensors"));
  CHECK(fs::exists(folder / "cache" / "a2.safetensors"));
}

}  // namespace vox::test
