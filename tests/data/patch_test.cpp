#include "data/loading/patch.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "data/loading/loader.h"
#include "data/prepare/foreground.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/loader_batches.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// A case of its own extent; value v + 1 of a channel and case is its own number, and foreground lies where it is told.
PreparedCase numbered(int number, const Extent3& size, const std::map<std::int64_t, std::uint8_t>& foreground) {
  PreparedCase c;
  c.info.id = fmt::format("case{:02}", number);
  c.info.recipe = recipe_named("native");
  c.info.mapping = {{size, {1, 1, 1}, {}}, {{0, 0, 0}, size}, size};
  c.info.labelled = true;
  const std::int64_t voxels = size[0] * size[1] * size[2];
  for (std::int64_t i = 0; i < 4 * voxels; ++i) { c.image.push_back(static_cast<float>(100'000 * number + i + 1)); }
  c.label.resize(at(voxels));
  for (const auto& [voxel, k] : foreground) { c.label[at(voxel)] = k; }
  return c;
}

struct Cache {
  TempFolder folder;
  std::vector<PreparedCase> cases;
  std::vector<fs::path> files;

  void add(const Extent3& size, const std::map<std::int64_t, std::uint8_t>& foreground) {
    const int n = static_cast<int>(cases.size());
    cases.push_back(numbered(n, size, foreground));
    files.push_back(folder / fmt::format("case{:02}.safetensors", n));
    write_prepared_case(files.back(), cases.back());
  }
  [[nodiscard]] const PreparedCase& named(const std::string& id) const { return cases[at(std::stoi(id.substr(4)))]; }
};

struct SomeCases : Cache {
  SomeCases() {
    add({9, 10, 11}, {{500, 1}, {989, 2}});
    add({12, 7, 30}, {{0, 3}});
    add({3, 16, 5}, {{7, 1}});  // smaller than a patch along D and W
    add({10, 10, 10}, {});
    add({8, 8, 8}, {{100, 2}});
  }
};

const Cache& some_cases() {
  static const SomeCases cases;
  return cases;
}

LoaderOptions options(std::int64_t batch) {
  LoaderOptions o;
  o.files = some_cases().files;
  o.batch = batch;
  o.seed = 42;
  o.patch = PatchOptions{.size = {4, 6, 8}, .foreground = 0.5};
  return o;
}

/// Is voxel v of a case inside a box?
bool holds(const Box& box, const Extent3& size, std::int64_t v) {
  const Extent3 p{v / (size[1] * size[2]), v / size[2] % size[1], v % size[2]};
  bool in = true;
  for (std::size_t a = 0; a < 3; ++a) { in = in && p[a] >= box.start[a] && p[a] < box.start[a] + box.size[a]; }
  return in;
}

TEST_CASE("patch: a batch holds what lies in the boxes that its keys draw, and 0 outside the case", "[loader]") {
  const Cache& cache = some_cases();
  const LoaderOptions o = options(2);
  Loader loader(o);
  CHECK(loader.sample_shape() == std::array<std::int64_t, 4>{4, 4, 6, 8});
  CHECK(loader.scratch_bytes() == 0);
  constexpr std::int64_t kVoxels = 4 * 6 * 8;
  std::set<std::string> seen;
  for (const Batch& b : epoch_of(loader, 3)) {
    for (std::int64_t s = 0; s < b.shape[0]; ++s) {
      const PreparedCase& c = cache.named(b.ids[at(s)]);
      seen.insert(c.info.id);
      const Extent3& size = c.info.mapping.size;
      const PreparedFile file(cache.folder / (c.info.id + ".safetensors"));
      const bool foreground = s == 1;  // of two, half
      const Box box = draw_patch(file, *o.patch, b.keys[at(s)], foreground);
      bool any = false;
      for (std::int64_t i = 0; i < 4 * kVoxels; ++i) {
        const std::int64_t d = i / 48 % 4 + box.start[0];
        const std::int64_t h = i / 8 % 6 + box.start[1];
        const std::int64_t w = i % 8 + box.start[2];
        const bool in = d >= 0 && d < size[0] && h >= 0 && h < size[1] && w >= 0 && w < size[2];
        const std::size_t from = in ? at((d * size[1] + h) * size[2] + w) : 0;
        const float want = in ? c.image[at(i / kVoxels) * c.label.size() + from] : 0;
        if (b.images[at(s * 4 * kVoxels + i)] != want) { FAIL(c.info.id << " value " << i); }
        if (i >= kVoxels) { continue; }
        const std::uint8_t label = b.labels[at(s * kVoxels + i)];
        if (label != (in ? c.label[from] : 0)) { FAIL(c.info.id << " label " << i); }
        any = any || label != 0;
      }
      if (foreground && c.info.id != "case03") { CHECK(any); }
    }
  }
  CHECK(seen.size() == 5);
}

TEST_CASE("patch: starts are uniform inside the case, and in the middle of a smaller one", "[loader]") {
  const Cache& cache = some_cases();
  const PatchOptions o{.size = {4, 6, 8}};
  const PreparedFile file(cache.files[0]);  // 9x10x11: 6, 5 and 4 places
  std::array<std::map<std::int64_t, int>, 3> places;
  constexpr int kDraws = 3000;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    const Box box = draw_patch(file, o, {.seed = 5, .epoch = 1, .position = i}, false);
    for (std::size_t a = 0; a < 3; ++a) { ++places[a][box.start[a]]; }
  }
  for (std::size_t a = 0; a < 3; ++a) {
    const int n = 6 - static_cast<int>(a);
    REQUIRE(static_cast<int>(places[a].size()) == n);
    CHECK(places[a].begin()->first == 0);
    CHECK(places[a].rbegin()->first == n - 1);
    const double p = 1.0 / n;
    for (const auto& [start, count] : places[a]) {  // five deviations of a binomial
      CHECK(std::abs(count - kDraws * p) < 5 * std::sqrt(kDraws * p * (1 - p)));
    }
  }
  for (const bool foreground : {false, true}) {
    const PreparedFile small(cache.files[2]);  // 3x16x5
    const Box box = draw_patch(small, o, {.seed = 5}, foreground);
    CHECK(box.start[0] == 0);   // the voxel too many is behind
    CHECK(box.start[2] == -1);  // of three too many one in front
    const Box wide = draw_patch(small, {.size = {4, 32, 16}}, {.seed = 5}, foreground);
    CHECK(wide.start == Extent3{0, -8, -5});
  }
}

TEST_CASE("patch: with foreground every class of a case comes as often, about one of its voxels", "[loader]") {
  TempFolder folder;
  std::map<std::int64_t, std::uint8_t> foreground{{20 * 400 + 19 * 20 + 19, 2}};  // one voxel in the last corner
  for (std::int64_t i = 0; i < 300; ++i) { foreground[i] = 1; }
  const Extent3 size{21, 20, 20};
  write_prepared_case(folder / "a.safetensors", numbered(0, size, foreground));
  const PreparedFile file(folder / "a.safetensors");
  const PatchOptions o{.size = {4, 6, 8}};
  int corner = 0;
  std::set<Extent3> starts;
  constexpr int kDraws = 2000;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    const Box box = draw_patch(file, o, {.seed = 5, .epoch = 2, .position = i}, true);
    starts.insert(box.start);
    const bool last = holds(box, size, 20 * 400 + 19 * 20 + 19);
    corner += last ? 1 : 0;
    if (last) {
      CHECK(box.start == Extent3{17, 14, 12});  // moved inside
    } else {
      bool any = false;
      for (std::int64_t v = 0; v < 300; ++v) { any = any || holds(box, size, v); }
      if (!any) { FAIL("draw " << i << " holds no foreground"); }
    }
  }
  CHECK(std::abs(corner - kDraws / 2) < 5 * std::sqrt(kDraws * 0.25));
  CHECK(starts.size() > 50);  // 12 starts along H and 13 along W of the 300 voxels
  // Of regions the core has class 1 alone, and the whole tumour both, 1 of 301 in the corner.
  corner = 0;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    const Box box =
        draw_patch(file, {.size = {4, 6, 8}, .regions = true}, {.seed = 5, .epoch = 2, .position = i}, true);
    corner += holds(box, size, 20 * 400 + 19 * 20 + 19) ? 1 : 0;
  }
  CHECK(corner < 15);  // 3.3 expected
}

TEST_CASE("patch: nnU-Net's rule says which samples of a batch hold foreground", "[loader]") {
  const auto made = [](std::int64_t batch, double share) {
    std::string text;
    for (std::int64_t s = 0; s < batch; ++s) {
      text += wants_foreground({.foreground = share}, batch, s, {}) ? 'f' : '.';
    }
    return text;
  };
  CHECK(made(2, 0.33) == ".f");
  CHECK(made(4, 0.33) == "...f");
  CHECK(made(9, 0.33) == "......fff");
  CHECK(made(10, 0.25) == "........ff");  // round(7.5) is 8 in Python
  CHECK(made(3, 0) == "...");
  CHECK(made(3, 1) == "fff");
  int drawn = 0;
  for (std::uint32_t i = 0; i < 3000; ++i) { drawn += wants_foreground({}, 1, 0, {.seed = 9, .position = i}) ? 1 : 0; }
  CHECK(std::abs(drawn - 990) < 5 * std::sqrt(3000 * 0.33 * 0.67));
  CHECK_FALSE(wants_foreground({.foreground = 0}, 1, 0, {}));
  CHECK(wants_foreground({.foreground = 1}, 1, 0, {}));
}

TEST_CASE("loader: patches depend neither on threads nor on memory nor on a resume", "[loader][threads]") {
  LoaderOptions o = options(3);
  o.steps_per_epoch = 4;
  o.augment = AugmentOptions{};
  o.augment.rotate_probability = 0.7;
  Loader reference(o);
  CHECK(reference.samples_per_epoch() == 12);
  CHECK(reference.batches_per_epoch() == 4);
  const std::vector<Batch> want = epoch_of(reference, 5);
  REQUIRE(want.size() == 4);
  CHECK_FALSE(std::ranges::equal(want[0].images, epoch_of(reference, 6)[0].images));
  for (const int threads : {1, 4}) {
    o.threads = threads;
    for (const std::size_t batches : {1U, 5U}) {
      o.memory_bytes = batches * reference.batch_bytes();
      Loader loader(o);
      check_same(epoch_of(loader, 5), want);
      check_same(epoch_of(loader, 5, 2), {want.begin() + 2, want.end()});
    }
  }
  const std::size_t sample = 4 * 6 * 8 * (4 * sizeof(float) + 1);
  CHECK(Loader(o).scratch_bytes() == 4 * sample);
  CHECK_THAT(Loader(o).memory_plan(), ContainsSubstring(", and 0.0 MiB of its threads"));
  // The same patches unaugmented, augmented afterwards by the keys, as a GPU does it.
  const AugmentOptions augmentations = std::exchange(o.augment, AugmentOptions::none());
  Loader plain(o);
  const std::vector<Batch> raw = epoch_of(plain, 5);
  const std::size_t voxels = 4 * 6 * 8;
  std::vector<float> image(4 * voxels);
  std::vector<std::uint8_t> label(voxels);
  for (std::size_t b = 0; b < raw.size(); ++b) {
    for (std::size_t s = 0; s < raw[b].keys.size(); ++s) {
      augment(raw[b].images.subspan(s * image.size(), image.size()), raw[b].labels.subspan(s * voxels, voxels),
              {4, 6, 8}, draw_augmentation(augmentations, raw[b].keys[s], 4), image, label);
      CHECK(std::ranges::equal(image, want[b].images.subspan(s * image.size(), image.size())));
      CHECK(std::ranges::equal(label, want[b].labels.subspan(s * voxels, voxels)));
    }
  }
}

TEST_CASE("loader: passes over the cases go on from one epoch of given steps to the next", "[loader]") {
  LoaderOptions o = options(2);
  o.steps_per_epoch = 3;
  Loader loader(o);
  std::vector<std::string> all;
  for (std::uint32_t epoch = 0; epoch < 5; ++epoch) {  // 30 samples: six passes over five cases
    for (const Batch& b : epoch_of(loader, epoch)) { all.insert(all.end(), b.ids.begin(), b.ids.end()); }
  }
  REQUIRE(all.size() == 30);
  std::set<std::vector<std::string>> orders;
  for (auto pass = all.begin(); pass != all.end(); pass += 5) {
    orders.insert({pass, pass + 5});
    CHECK(std::set<std::string>(pass, pass + 5).size() == 5);
  }
  CHECK(orders.size() > 1);
  std::set<Extent3> places;  // of a case that comes again: its patches differ
  const PreparedFile file(o.files[1]);
  for (std::uint32_t i = 0; i < 8; ++i) {
    places.insert(draw_patch(file, *o.patch, {.seed = 42, .epoch = 0, .position = i}, false).start);
  }
  CHECK(places.size() > 1);
  o.batch = 8;  // more than there are cases
  CHECK(epoch_of(*std::make_unique<Loader>(o), 0).back().shape[0] == 8);
}

TEST_CASE("patch: what a run should know of its cases is said once", "[loader]") {
  const Cache& cache = some_cases();
  const std::vector<std::string> notes = patch_notes(cache.files, {.size = {4, 6, 8}});
  REQUIRE(notes.size() == 2);
  CHECK(notes[0] == "1 of 5 cases are smaller than the patch, and 0 is put around them: case02");
  CHECK(notes[1] == "1 of 5 cases hold no tumour, and their patches lie anywhere: case03");
  CHECK(patch_notes(std::span(cache.files).first(2), {.size = {4, 6, 8}}).empty());
  CHECK_THAT(patch_notes(cache.files, {.size = {4, 6, 32}})[0],
             ContainsSubstring("5 of 5") && ContainsSubstring("case00, case01, case02, ..."));
}

TEST_CASE("patch: options and cases that cannot work are refused", "[loader]") {
  LoaderOptions o = options(2);
  o.patch->size[1] = 0;
  CHECK_THROWS_WITH(Loader(o), ContainsSubstring("patch: 4x0x8 voxels, wants at least 1"));
  for (const double share : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()}) {
    o = options(2);
    o.patch->foreground = share;
    CHECK_THROWS_WITH(Loader(o), ContainsSubstring("with foreground, wants 0 to 1"));
  }
  o = options(2);
  o.steps_per_epoch = 60'000'000;
  CHECK_THROWS_WITH(Loader(o), ContainsSubstring("60000000 steps of 2 samples an epoch"));
  const TempFolder folder;
  o = options(1);
  o.patch->foreground = 1;
  o.files = {folder / "a.safetensors"};
  const auto check_refused = [&](const PreparedCase& c, const std::string& why) {
    write_prepared_case(o.files[0], c);
    Loader loader(o);
    loader.start_epoch(0);
    CHECK_THROWS_AS(static_cast<void>(loader.next()), DataError);
    CHECK_THROWS_WITH(static_cast<void>(loader.next()), ContainsSubstring("a.safetensors") && ContainsSubstring(why));
  };
  PreparedCase c = numbered(0, {4, 6, 8}, {{5, 1}});
  c.label[100] = 4;
  check_refused(c, "label holds class 4, wants 0 to 3");
  c.info.labelled = false;
  check_refused(c, "has no labels");
}

}  // namespace
}  // namespace vox::test
