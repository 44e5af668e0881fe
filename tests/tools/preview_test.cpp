#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "data/prepare/prepared_case.h"
#include "kernels/base/check.h"
#include "kernels/base/philox.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tools/run/training.h"
#include "tools/ui/overlay_planes.h"
#include "tools/ui/preview_picture.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

/// Native cases, each with a block of tumour.
void make_training_cache(const fs::path& folder) {
  fs::create_directories(folder);
  for (std::uint32_t n = 0; n < 4; ++n) {
    PreparedCase c;
    c.info.id = "case_" + std::to_string(n);
    c.info.recipe = recipe_named("native");
    const Extent3 size{18, 20, 19 + n};
    c.info.mapping = {
        .source = {.size = size, .spacing_mm = {1, 1, 1}, .affine = {-1, 0, 0, 0, 0, -1, 0, 0, 0, 0, 1, 0}},
        .box = {.start = {}, .size = size},
        .size = size};
    c.info.labelled = true;
    for (std::int64_t v = 0; v < size[0] * size[1] * size[2]; ++v) {
      c.label.push_back(v / size[2] % size[1] > 8 && v % size[2] > 9 ? std::uint8_t{2} : std::uint8_t{0});
    }
    for (std::size_t i = 0; i < 4 * c.label.size(); ++i) {
      c.image.push_back(static_cast<float>(0.5 + unit(random4({.seed = 1, .step = n}, i).v[0])));
    }
    write_prepared_case(folder / (c.info.id + ".safetensors"), c);
  }
}

std::uint32_t big_endian(const std::string& bytes, std::size_t at) {
  std::uint32_t v = 0;
  for (std::size_t i = 0; i < 4; ++i) { v = v << 8U | static_cast<unsigned char>(bytes[at + i]); }
  return v;
}

}  // namespace

TEST_CASE("a preview shows the slice with most tumour, or the middle one", "[preview]") {
  std::vector<std::uint8_t> label(5 * 2 * 3);
  CHECK(slice_to_show(label, {5, 2, 3}) == 2);
  label[6 * 3] = 1;
  CHECK(slice_to_show(label, {5, 2, 3}) == 3);
  label[6] = label[7] = 3;
  CHECK(slice_to_show(label, {5, 2, 3}) == 1);
}

TEST_CASE("a preview is a PNG with a row for each sample, and is whole or absent", "[preview]") {
  const TempFolder folder;
  Preview preview{.title = "augmentation: all", .channels = {"t1", "t2"}, .size = {2, 4, 5}};
  std::vector<std::uint32_t> heights;
  for (int samples = 1; samples <= 2; ++samples) {
    preview.samples.push_back(
        {.caption = "a", .image = std::vector<float>(80, 1), .label = std::vector<std::uint8_t>(40, 3)});
    draw_preview(folder / "p.png", preview);
    const std::string png = read_bytes(folder / "p.png");
    REQUIRE(png.size() > 1000);
    CHECK(png.substr(png.size() - 8, 4) == "IEND");
    heights.push_back(big_endian(png, 20));
  }
  CHECK(heights[1] > heights[0] + 170);  // a slice of 4 rows in 5 columns of 220 pixels
  preview.samples.push_back({.caption = "b", .image = std::vector<float>(79), .label = std::vector<std::uint8_t>(40)});
  CHECK_THROWS_WITH(draw_preview(folder / "q.png", preview), ContainsSubstring("a sample of 79 values"));
  CHECK_FALSE(fs::exists(folder / "q.png"));
}

TEST_CASE("preview draws what a run's loader loads, and refuses what makes no sense", "[preview][cli]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  const std::string preview = "preview -i " + quoted(folder / "cache") + " -o " + quoted(folder / "p.png") + " ";
  const Ended e = voxgrad(preview + "--patch 16 --augment nnunet,rotate@1,gamma@1 --samples 5 --epoch 2");
  CAPTURE(e.output);
  REQUIRE(e.code == 0);
  CHECK_THAT(e.output,
             ContainsSubstring("5 samples from epoch 2 on, patches of 16^3, augmentation: nnunet,rotate=30@1"));
  const std::string first = read_bytes(folder / "p.png");
  REQUIRE(voxgrad(preview + "--patch 16 --augment nnunet,rotate@1,gamma@1 --samples 5 --epoch 2").code == 0);
  CHECK(read_bytes(folder / "p.png") == first);
  REQUIRE(voxgrad(preview + "--patch 16 --augment nnunet,rotate@1,gamma@1 --samples 5 --epoch 3").code == 0);
  CHECK(read_bytes(folder / "p.png") != first);

  TrainOptions o;
  o.widths = {2, 2, 2, 2, 2};
  o.epochs = 2;
  o.steps_per_epoch = 1;
  o.patch = {16};
  o.augment = "nnunet,rotate@1,gamma@1";
  Training(folder / "cache", folder / "run", o, Training::Start::fresh).run();
  const Ended of_run = voxgrad(preview + "--samples 5 --epoch 2 --steps-per-epoch 0 --run " + quoted(folder / "run"));
  CAPTURE(of_run.output);
  REQUIRE(of_run.code == 0);
  CHECK(read_bytes(folder / "p.png") == first);  // the same options, and no other cases than its folds have

  for (const auto& [arguments, code, why] : std::vector<std::tuple<std::string, int, std::string>>{
           {"", 2, "give --patch"},
           {"--patch 16 --augment nnunet,flip", 2, "'flip' is no step of nnunet"},
           {"--patch 16 --samples 0", 2, "--samples is 0, wants 1 to 64"},
           {"--patch 16 --epoch 51", 2, "--epoch is 51, wants 1 to the 50 epochs"},
           {"--patch 16 --preset tutorial", 3, "preset 'tutorial' wants 3"},
           {"--run " + quoted(folder / "none"), 2, "holds no run of voxgrad train"}}) {
    const Ended refused = voxgrad(preview + arguments);
    CAPTURE(arguments, refused.output);
    CHECK(refused.code == code);
    CHECK_THAT(refused.output, ContainsSubstring(why));
  }
}

}  // namespace vox::test
