#include <algorithm>
#include <set>
#include <vector>

#include "data/loading/loader.h"
#include "data/loading/nnunet_augment.h"
#include "data/loading/patch.h"
#include "data/prepare/prepared_case.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/loader_batches.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A brain, an ellipsoid that fills most of the case, with a tumour in it; outside 0.
PreparedCase some_case(int number, const Extent3& size, const Recipe& recipe) {
  PreparedCase c;
  c.info.id = fmt::format("case{:02}", number);
  c.info.recipe = recipe;
  c.info.mapping = {{size, {1, 1, 1}, {}}, {{0, 0, 0}, size}, size};
  c.info.labelled = true;
  const std::int64_t voxels = size[0] * size[1] * size[2];
  std::vector<bool> brain(at(voxels));
  for (std::int64_t i = 0; i < voxels; ++i) {
    const Extent3 v{i / (size[1] * size[2]), i / size[2] % size[1], i % size[2]};
    double r = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      const double x = (2 * static_cast<double>(v[a]) + 1) / static_cast<double>(size[a]) - 1;
      r += x * x;
    }
    brain[at(i)] = r < 1.2;
    c.label.push_back(r < 0.3 ? static_cast<std::uint8_t>(1 + v[2] % 3) : std::uint8_t{0});
  }
  for (std::int64_t i = 0; i < 4 * voxels; ++i) {
    const double x = unit(random4({.seed = 9, .step = static_cast<std::uint32_t>(number)}, at(i)).v[0]);
    c.image.push_back(brain[at(i % voxels)] ? static_cast<float>(x + 0.5) : 0.0F);
  }
  return c;
}

struct Cache {
  TempFolder folder;
  std::vector<PreparedCase> cases;
  std::vector<fs::path> files;

  void add(const Extent3& size, const Recipe& recipe, FileDType type = FileDType::f32) {
    cases.push_back(some_case(static_cast<int>(cases.size()), size, recipe));
    cases.back().info.image_type = type;
    files.push_back(folder / (cases.back().info.id + ".safetensors"));
    write_prepared_case(files.back(), cases.back());
  }
};

struct NativeCases : Cache {
  NativeCases() {
    const Recipe native = recipe_named("native");
    add({14, 15, 17}, native);
    add({12, 20, 9}, native);
    add({5, 18, 16}, native);  // smaller than the patch along D
    add({16, 11, 13}, native, FileDType::bf16);
  }
};

const Cache& native_cases() {
  static const NativeCases cases;
  return cases;
}

/// Every step often.
AugmentOptions often() {
  return augment_named(
      "nnunet,rotate@0.6,scale@0.6,elastic=4@0.5,noise@0.5,blur@0.5,brightness@0.5,contrast@0.5,lowres@0.5,"
      "gamma-negated@0.5,gamma@0.5");
}

LoaderOptions options(const Cache& cache) {
  LoaderOptions o;
  o.files = cache.files;
  o.batch = 2;
  o.seed = 3;
  o.steps_per_epoch = 6;
  o.patch = PatchOptions{.size = {8, 6, 10}};
  o.augment = often();
  return o;
}

}  // namespace

TEST_CASE("loader: nnU-Net's samples depend neither on threads nor on memory nor on a resume", "[loader][threads]") {
  LoaderOptions o = options(native_cases());
  Loader reference(o);
  const std::vector<Batch> want = epoch_of(reference, 4);
  CHECK_FALSE(std::ranges::equal(want[0].images, epoch_of(reference, 5)[0].images));
  for (const int threads : {2, 5}) {
    o.threads = threads;
    Loader loader(o);
    check_same(epoch_of(loader, 4), want);
    check_same(epoch_of(loader, 4, 4), {want.begin() + 4, want.end()});
  }
}

TEST_CASE("loader: nnU-Net's samples are made of the whole case around their patch", "[loader]") {
  const Cache& cache = native_cases();
  const LoaderOptions o = options(cache);
  Loader loader(o);
  int turned = 0;
  for (const Batch& b : epoch_of(loader, 1)) {
    for (std::size_t s = 0; s < b.ids.size(); ++s) {
      const std::size_t which = at(std::stoi(b.ids[s].substr(4)));
      const PreparedFile file(cache.files[which]);
      const Extent3& size = file.info().mapping.size;
      std::vector<float> image(4 * at(size[0] * size[1] * size[2]));
      std::vector<std::uint8_t> marks(image.size() / 4);
      file.read({{}, size}, image, marks);  // all of it, as the file has it
      mark_outside(image, marks);
      const NnunetAugmentation drawn = draw_nnunet(*o.augment.nnunet, b.keys[s], 4);
      const Box patch = draw_patch(file, *o.patch, b.keys[s], s == 1);
      ComposedTransform t{.change = drawn.spatial, .size = patch.size};
      for (std::size_t a = 0; a < 3; ++a) {
        t.centre[a] = static_cast<double>(patch.start[a]) + 0.5 * static_cast<double>(patch.size[a] - 1);
      }
      std::vector<float> want(4 * 8 * 6 * 10);
      std::vector<std::uint8_t> want_label(want.size() / 4);
      sample_box(image, marks, {{}, size}, t, want, want_label);
      std::vector<float> scratch;
      change_intensities(drawn, patch.size, want, scratch);
      clear_outside(want, want_label);
      turned += drawn.spatial.copies() ? 0 : 1;
      const auto got = b.images.subspan(s * want.size(), want.size());
      double worst = 0;
      for (std::size_t i = 0; i < want.size(); ++i) {
        const double off = std::abs(static_cast<double>(got[i]) - static_cast<double>(want[i]));
        worst = off <= worst ? worst : off;
      }
      INFO(b.ids[s] << " of key " << b.keys[s].position);
      CHECK(worst < 2e-4);  // points counted from a box's start are rounded otherwise than from the case's
      const auto label = b.labels.subspan(s * want_label.size(), want_label.size());
      CHECK(std::ranges::equal(label, want_label));
    }
  }
  CHECK(turned >= 4);
  CHECK(turned < 12);
}

TEST_CASE("loader: nnU-Net's samples are 0 outside the brain, and have no class there", "[loader]") {
  Loader loader(options(native_cases()));
  std::size_t outside = 0;
  std::size_t inside = 0;
  for (const Batch& b : epoch_of(loader, 2)) {
    const std::size_t voxels = b.labels.size() / b.ids.size();
    for (std::size_t i = 0; i < b.labels.size(); ++i) {
      const float* const x = b.images.data() + i / voxels * 4 * voxels + i % voxels;
      const bool empty = x[0] == 0 && x[voxels] == 0 && x[2 * voxels] == 0 && x[3 * voxels] == 0;
      if (empty && b.labels[i] != 0) { FAIL("voxel " << i << " has class " << int{b.labels[i]}); }
      if (b.labels[i] >= kClasses) { FAIL("voxel " << i << " has class " << int{b.labels[i]}); }
      if (empty) { ++outside; }
      if (b.labels[i] != 0) { ++inside; }
    }
  }
  CHECK(outside > 500);
  CHECK(inside > 500);
}

TEST_CASE("loader: whole cubes are augmented by nnU-Net's steps about their middle", "[loader]") {
  Cache cache;
  for (int n = 0; n < 2; ++n) { cache.add({8, 8, 8}, recipe_named("seed", 8)); }
  LoaderOptions o;
  o.files = cache.files;
  o.batch = 2;
  o.augment = augment_named(
      "nnunet,rotate@1,noise=off,blur=off,brightness=off,contrast=off,lowres=off,gamma=off,gamma-negated=off");
  Loader loader(o);
  CHECK(loader.sample_shape() == std::array<std::int64_t, 4>{4, 8, 8, 8});
  CHECK(loader.scratch_bytes() == 8 * 8 * 8 * (4 * 5 + 1));
  const std::vector<Batch> batches = epoch_of(loader, 0);
  const PreparedCase& c = cache.cases[at(std::stoi(batches[0].ids[0].substr(4)))];
  const Box whole{{}, {8, 8, 8}};
  LargeVector<std::uint8_t> marks = c.label;
  mark_outside(c.image, marks);
  const ComposedTransform t{.change = draw_nnunet(*o.augment.nnunet, batches[0].keys[0], 4).spatial,
                            .size = whole.size,
                            .centre = {3.5, 3.5, 3.5}};
  LargeVector<float> want(c.image.size());
  LargeVector<std::uint8_t> label(marks.size());
  sample_box(c.image, marks, whole, t, want, label);
  clear_outside(want, label);
  CHECK(std::ranges::equal(batches[0].images.first(want.size()), want));
  CHECK(std::ranges::equal(batches[0].labels.first(label.size()), label));
  CHECK(want != c.image);
}

TEST_CASE("loader: what its threads hold for nnU-Net's steps is bounded by the cases and by the steps", "[loader]") {
  const NnunetOptions usual;
  const NnunetOptions still = nnunet_options("rotate=off,scale=off");
  CHECK(most_voxels_needed({8, 8, 8}, still, {100, 100, 100}) == 10 * 10 * 10);  // two to spare along each axis
  CHECK(most_voxels_needed({8, 8, 8}, usual, {9, 10, 11}) == 9 * 10 * 11);
  const Extent3 size{8, 6, 10};
  const Extent3 whole{60, 60, 60};
  std::int64_t most = 0;
  for (std::uint32_t i = 0; i < 300; ++i) {
    const ComposedTransform t{
        .change = draw_nnunet(usual, {.seed = 2, .position = i}, 1).spatial, .size = size, .centre = {30, 30, 30}};
    const Box box = box_needed(t, whole);
    most = std::max(most, box.size[0] * box.size[1] * box.size[2]);
  }
  CHECK(most <= most_voxels_needed(size, usual, whole));
  CHECK(most > 8 * 6 * 10);
  LoaderOptions o = options(native_cases());
  o.threads = 3;
  Loader loader(o);
  CHECK(loader.scratch_bytes() == 3 * (14 * 15 * 17 * 17 + 8 * 6 * 10 * 4));  // the largest case, f32 and labels
}

}  // namespace vox::test
