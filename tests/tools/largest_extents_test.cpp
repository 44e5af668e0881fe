#include "tools/run/largest_extents.h"

#include "kernels/base/check.h"
#include "model/checkpoint.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/training_run.h"
#include "tools/run/segmenter.h"
#include "tools/run/training.h"

namespace vox::test {

TEST_CASE("the largest extents that fit shrink where they are longest in proportion", "[memory]") {
  const auto up_to = [](std::int64_t voxels) { return [voxels](const Extents& e) { return voxels_of(e) <= voxels; }; };
  const Extents shape{139, 171, 136};
  CHECK(largest_extents(shape, 16, up_to(1 << 30)) == Extents{144, 176, 144});
  // 144/136 is more than 144/139 and 176/171; then 144/139 is.
  CHECK(largest_extents(shape, 16, up_to(144 * 176 * 144 - 1)) == Extents{144, 176, 128});
  CHECK(largest_extents(shape, 16, up_to(144 * 176 * 128 - 1)) == Extents{128, 176, 128});
  CHECK(largest_extents(shape, 16, up_to(16 * 16 * 16)) == Extents{16, 16, 16});
  CHECK_FALSE(largest_extents(shape, 16, up_to(16 * 16 * 16 - 1)));
  CHECK(largest_extents({1, 64, 2}, 32, up_to(32 * 32 * 32)) == Extents{32, 32, 32});
  // Whatever fits: none that is larger along every axis does.
  for (std::int64_t voxels = 5000; voxels < 5'000'000; voxels = voxels * 3 / 2) {
    const auto found = largest_extents(shape, 8, up_to(voxels));
    REQUIRE(found);
    CHECK(voxels_of(*found) <= voxels);
    CHECK(((*found)[0] >= 144 || voxels_of({(*found)[0] + 8, (*found)[1] + 8, (*found)[2] + 8}) > voxels));
  }
  CHECK_THROWS_AS(largest_extents({0, 1, 1}, 16, up_to(1)), Error);
}

TEST_CASE("training finds the largest patch that fits, and keeps it when it is resumed", "[training][memory]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::native);
  TrainOptions o = small_training();
  o.patch = {0};
  o.epochs = 1;
  o.steps_per_epoch = 1;
  o.loader_threads = 1;
  Training(folder / "cache", folder / "run", o, Training::Start::fresh, "1GiB").run();
  const CheckpointFile run(folder / "run" / "last.safetensors");
  CHECK(run.metadata().at("recipe_patch") == "16,16,16");  // the cases are no larger
  o.epochs = 2;
  const TrainOptions stored = train_options_from_json(run.metadata().at("options"), "run");
  CHECK(resumed(stored, o, {"patch", "epochs"}).patch == std::vector<std::int64_t>{16, 16, 16});

  CHECK_THROWS_WITH(Training(folder / "cache", folder / "small", o, Training::Start::fresh, "300KiB"),
                    ContainsSubstring("--patch auto: not even patches of 16x16x16 fit into 300.0 KiB (--memory)"));
  CHECK_FALSE(std::filesystem::exists(folder / "small"));
}

TEST_CASE("plan finds the largest patch of a case, and a step of it fits where a larger one does not", "[plan]") {
  const auto plan = [](const std::string& more) {
    return voxgrad("plan --widths 4 4 6 6 8 --memory 400MiB --threads 2 " + more);
  };
  const Ended found = plan("--json --patch auto --case 139,171,136");
  REQUIRE(found.code == 0);
  const auto json = nlohmann::json::parse(found.output);
  const Extents patch = json.at("extents");
  const std::size_t wants =
      json.at("training").at("system_bytes").get<std::size_t>() + json.at("waiting_batches_bytes").get<std::size_t>();
  CHECK(wants <= std::size_t{400} << 20U);
  CHECK(voxels_of(patch) < 139 * 171 * 136);
  const auto larger = nlohmann::json::parse(
      plan(fmt::format("--json --case 139,171,136 --patch {},{},{}", patch[0] + 16, patch[1] + 16, patch[2] + 16))
          .output);
  CHECK(larger.at("training").at("system_bytes").get<std::size_t>() +
            larger.at("waiting_batches_bytes").get<std::size_t>() >
        std::size_t{400} << 20U);
  CHECK(plan("--patch auto").code == 2);
  CHECK_THAT(plan("--patch auto").output, ContainsSubstring("--patch auto wants --case"));
  CHECK(plan("--patch auto --case 139,171,136 --batch 4096").code == 4);
}

TEST_CASE("windows that do not fit are refused with the largest that do, and those fit", "[segmenter][memory]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::native);
  TrainOptions o = small_training();
  o.patch = {16};
  o.epochs = 1;
  o.steps_per_epoch = 1;
  Training(folder / "cache", folder / "run", o, Training::Start::fresh).run();
  Segmenter segmenter(folder / "run");
  const MemoryLimit limit{.bytes = std::size_t{24} << 20U, .source = "a test"};
  const Extent3 whole{40, 50, 60};
  segmenter.set_windows({.window = {64, 96, 128}, .batch = 2});
  std::string message;
  try {
    static_cast<void>(segmenter.reserve(limit, whole));
  } catch (const MemoryError& e) { message = e.what(); }
  const auto at = message.find("--window ");
  REQUIRE(at != std::string::npos);
  CHECK_THAT(message, ContainsSubstring("64x96x128, 2 at a time") && ContainsSubstring("--window-batch 1"));
  Extent3 fits{};
  REQUIRE(std::sscanf(message.c_str() + at, "--window %ld,%ld,%ld", &fits[0], &fits[1], &fits[2]) == 3);
  segmenter.set_windows({.window = fits});
  CHECK_NOTHROW(segmenter.reserve(limit, whole));
  segmenter.set_windows({.window = {fits[0] + 16, fits[1] + 16, fits[2] + 16}});
  CHECK_THROWS_AS(segmenter.reserve(limit, whole), MemoryError);
  CHECK_THROWS_WITH(segmenter.reserve({.bytes = 1000, .source = "a test"}, whole),
                    ContainsSubstring("no windows are small enough"));
}

}  // namespace vox::test
