#include "data/loading/loader.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>

#include "data/prepare/prepared_case.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/loader_batches.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kSize = 8;
constexpr std::int64_t kVoxels = kSize * kSize * kSize;
constexpr std::size_t kSampleBytes = kVoxels * (4 * sizeof(float) + 1);

/// A prepared case whose every value tells which case, channel and voxel it is.
PreparedCase numbered(int number, std::int64_t size = kSize) {
  PreparedCase c;
  c.info.id = fmt::format("case{:02}", number);
  c.info.recipe = recipe_named("seed", size);
  c.info.mapping = {{{size, size, size}, {1, 1, 1}, {}}, {{0, 0, 0}, {size, size, size}}, {size, size, size}};
  c.info.labelled = true;
  for (std::int64_t i = 0; i < 4 * size * size * size; ++i) {
    c.image.push_back(static_cast<float>(number + 1) + static_cast<float>(i) * 0x1p-12F);
  }
  for (std::int64_t i = 0; i < size * size * size; ++i) { c.label.push_back(static_cast<std::uint8_t>(i % 4)); }
  return c;
}

struct Cache {
  TempFolder folder;
  std::vector<fs::path> files;

  explicit Cache(int cases) {
    for (int n = 0; n < cases; ++n) {
      files.push_back(folder / fmt::format("case{:02}.safetensors", n));
      write_prepared_case(files.back(), numbered(n));
    }
  }
};

LoaderOptions options(const Cache& cache, std::int64_t batch) {
  LoaderOptions o;
  o.files = cache.files;
  o.batch = batch;
  o.seed = 42;
  o.memory_bytes = 3 * static_cast<std::size_t>(batch) * kSampleBytes;
  return o;
}

std::vector<std::string> ids_of(const std::vector<Batch>& batches) {
  std::vector<std::string> ids;
  for (const Batch& b : batches) { ids.insert(ids.end(), b.ids.begin(), b.ids.end()); }
  return ids;
}

TEST_CASE("loader: every case comes once an epoch, in full batches and a last one, bit for bit", "[loader]") {
  const Cache cache(7);
  Loader loader(options(cache, 3));
  CHECK(loader.batches_per_epoch() == 3);
  CHECK(loader.sample_shape() == std::array<std::int64_t, 4>{4, kSize, kSize, kSize});
  const std::vector<Batch> batches = epoch_of(loader, 0);
  REQUIRE(batches.size() == 3);
  CHECK(batches[0].shape == std::array<std::int64_t, 5>{3, 4, kSize, kSize, kSize});
  CHECK(batches[2].shape[0] == 1);
  CHECK(batches[2].images.size() == 4 * kVoxels);
  for (const Batch& b : batches) {
    REQUIRE(b.ids.size() == static_cast<std::size_t>(b.shape[0]));
    for (std::size_t s = 0; s < b.ids.size(); ++s) {
      const PreparedCase want = numbered(std::stoi(b.ids[s].substr(4)));
      CHECK(std::equal(want.image.begin(), want.image.end(),
                       b.images.begin() + static_cast<std::ptrdiff_t>(s) * std::ssize(want.image)));
      CHECK(std::equal(want.label.begin(), want.label.end(),
                       b.labels.begin() + static_cast<std::ptrdiff_t>(s) * std::ssize(want.label)));
    }
  }
  std::vector<std::string> ids = ids_of(batches);
  std::ranges::sort(ids);
  CHECK(ids == std::vector<std::string>{"case00", "case01", "case02", "case03", "case04", "case05", "case06"});
  CHECK_FALSE(loader.next());
}

TEST_CASE("loader: epochs are shuffled differently, seeds too, and unshuffled is the order given", "[loader]") {
  const Cache cache(12);
  LoaderOptions o = options(cache, 5);
  Loader loader(o);
  const std::vector<std::string> first = ids_of(epoch_of(loader, 0));
  CHECK(ids_of(epoch_of(loader, 1)) != first);
  CHECK(ids_of(epoch_of(loader, 0)) == first);
  o.seed = 43;
  Loader other(o);
  CHECK(ids_of(epoch_of(other, 0)) != first);
  o.shuffle = false;
  o.drop_last = true;
  Loader plain(o);
  CHECK(plain.batches_per_epoch() == 2);
  const std::vector<std::string> in_order = ids_of(epoch_of(plain, 3));
  CHECK(in_order.size() == 10);
  CHECK(std::ranges::is_sorted(in_order));
}

TEST_CASE("loader: values and order depend neither on threads nor on memory nor on a resume", "[loader][threads]") {
  const Cache cache(11);
  LoaderOptions o = options(cache, 2);
  o.augment = AugmentOptions{};
  o.augment.rotate_probability = 0.7;
  Loader reference(o);
  const std::vector<Batch> want = epoch_of(reference, 5);
  CHECK_FALSE(std::ranges::equal(want[0].images, epoch_of(reference, 6)[0].images));
  for (const int threads : {1, 2, 5}) {
    for (const std::size_t batches : {1U, 2U, 9U}) {
      o.threads = threads;
      o.memory_bytes = batches * 2 * kSampleBytes;
      Loader loader(o);
      check_same(epoch_of(loader, 5), want);
      CHECK(loader.peak_bytes() <= o.memory_bytes);
      check_same(epoch_of(loader, 5, 3), {want.begin() + 3, want.end()});
      check_same(epoch_of(loader, 5, 6), {});
    }
  }
}

TEST_CASE("loader: a sample is augmented by seed, epoch and its position in the epoch", "[loader]") {
  const Cache cache(5);
  LoaderOptions o = options(cache, 2);
  o.augment = AugmentOptions{};
  Loader loader(o);
  const std::vector<Batch> batches = epoch_of(loader, 7);
  for (std::uint32_t position = 0; position < 5; ++position) {
    const Batch& b = batches[position / 2];
    const PreparedCase c = numbered(std::stoi(b.ids[position % 2].substr(4)));
    PreparedCase want = c;
    augment(c.image, c.label, {kSize, kSize, kSize},
            draw_augmentation(o.augment, {.seed = 42, .epoch = 7, .position = position}, 4), want.image, want.label);
    const std::ptrdiff_t sample = position % 2;
    CHECK(std::equal(want.image.begin(), want.image.end(), b.images.begin() + sample * std::ssize(want.image)));
    CHECK(std::equal(want.label.begin(), want.label.end(), b.labels.begin() + sample * std::ssize(want.label)));
  }
}

TEST_CASE("loader: prefetching fills the budget and stops there until a batch is taken", "[loader][threads]") {
  const Cache cache(12);
  LoaderOptions o = options(cache, 2);
  o.threads = 3;
  o.memory_bytes = 2 * 2 * kSampleBytes + kSampleBytes;  // two batches and a half
  Loader loader(o);
  CHECK(loader.batches_in_flight() == 2);
  CHECK(loader.batch_bytes() == 2 * kSampleBytes);
  CHECK_THAT(loader.memory_plan(), ContainsSubstring("3 threads, at most 2 batches of"));
  loader.start_epoch(0);
  for (int tries = 0; tries < 500 && loader.peak_bytes() < 2 * loader.batch_bytes(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(loader.peak_bytes() == 2 * loader.batch_bytes());
  int batches = 0;
  while (loader.next()) { ++batches; }
  CHECK(batches == 6);
  CHECK(loader.peak_bytes() == 2 * loader.batch_bytes());
}

TEST_CASE("loader: memory comes from where it should, and is used again when a batch is gone", "[loader][threads]") {
  const Cache cache(12);
  LoaderOptions o = options(cache, 2);
  o.threads = 3;
  std::atomic<int> made = 0;
  o.memory = [&made](std::size_t bytes) {
    CHECK(bytes == 2 * kSampleBytes);
    ++made;
    return std::shared_ptr<std::byte>(new std::byte[bytes], std::default_delete<std::byte[]>());
  };
  std::optional<Batch> kept;
  {
    Loader loader(o);
    for (std::uint32_t epoch = 0; epoch < 5; ++epoch) {
      loader.start_epoch(epoch);
      while (std::optional<Batch> b = loader.next()) { kept = std::move(b); }
    }
    CHECK(made <= loader.batches_in_flight() + 2);  // the one kept, and the one taken before it is let go
  }
  Loader ordinary(options(cache, 2));
  CHECK(std::ranges::equal(kept->images, epoch_of(ordinary, 4).back().images));  // it outlives its loader
}

TEST_CASE("loader: two samples a thread are under way, and three batches at least", "[loader]") {
  CHECK(default_batches_ahead(1, 1) == 3);
  CHECK(default_batches_ahead(4, 8) == 3);
  CHECK(default_batches_ahead(5, 2) == 5);
  CHECK(default_batches_ahead(5, 3) == 4);
  const Cache cache(3);
  LoaderOptions o = options(cache, 8);
  o.memory_bytes = 0;
  o.threads = 5;
  CHECK(Loader(o).batches_in_flight() == 4);  // of the three cases there are
}

TEST_CASE("loader: an epoch may be left, started anew or destroyed at any moment", "[loader][threads]") {
  const Cache cache(9);
  LoaderOptions o = options(cache, 2);
  o.threads = 4;
  o.augment = AugmentOptions{};
  std::vector<Batch> want;
  {
    Loader loader(o);
    want = epoch_of(loader, 8);
  }
  Loader loader(o);
  for (std::uint32_t epoch = 0; epoch < 8; ++epoch) {
    loader.start_epoch(epoch);
    for (std::uint32_t taken = 0; taken < epoch / 2; ++taken) { CHECK(loader.next()); }
  }
  check_same(epoch_of(loader, 8), want);
  for (int i = 0; i < 10; ++i) {
    Loader brief(o);
    if (i > 1) { brief.start_epoch(static_cast<std::uint32_t>(i)); }
    if (i > 5) { CHECK(brief.next()); }
  }
}

TEST_CASE("loader: what the threads leave out can be done later, by a batch's keys, wherever an epoch is resumed",
          "[loader]") {
  const Cache cache(7);
  LoaderOptions o = options(cache, 2);
  o.threads = 3;
  Loader plain(o);
  o.augment = AugmentOptions{};
  Loader augmenting(o);
  const std::vector<Batch> want = epoch_of(augmenting, 3, 1);
  const std::vector<Batch> got = epoch_of(plain, 3, 1);
  REQUIRE(got.size() == 3);
  for (std::size_t b = 0; b < got.size(); ++b) {
    REQUIRE(got[b].keys.size() == got[b].ids.size());
    std::vector<float> image(4 * kVoxels);
    std::vector<std::uint8_t> label(kVoxels);
    for (std::size_t s = 0; s < got[b].keys.size(); ++s) {
      augment(got[b].images.subspan(s * image.size(), image.size()),
              got[b].labels.subspan(s * label.size(), label.size()), {kSize, kSize, kSize},
              draw_augmentation(o.augment, got[b].keys[s], 4), image, label);
      CHECK(std::ranges::equal(image, want[b].images.subspan(s * image.size(), image.size())));
      CHECK(std::ranges::equal(label, want[b].labels.subspan(s * label.size(), label.size())));
    }
  }
}

TEST_CASE("loader: a bad file is named when its batch is due, the good batches before it come", "[loader][threads]") {
  const Cache cache(6);
  const auto check_refused = [&](const std::string& why) {
    LoaderOptions o = options(cache, 2);
    o.shuffle = false;
    o.threads = 3;
    Loader loader(o);
    loader.start_epoch(0);
    CHECK(loader.next()->ids[1] == "case01");
    for (int again = 0; again < 2; ++again) {
      CHECK_THROWS_AS(static_cast<void>(loader.next()), DataError);
      CHECK_THROWS_WITH(static_cast<void>(loader.next()),
                        ContainsSubstring("case03.safetensors") && ContainsSubstring(why));
    }
    loader.start_epoch(1, 2);
    CHECK(loader.next()->ids[0] == "case04");
  };
  const std::string good = read_bytes(cache.files[3]);
  write_bytes(cache.files[3], good.substr(0, good.size() - 1));
  check_refused("truncated");
  write_bytes(cache.files[3], "");
  check_refused("has 0 bytes");
  fs::remove(cache.files[3]);
  check_refused("cannot open");
  write_prepared_case(cache.files[3], numbered(3, 9));
  check_refused("holds 4x9x9x9, wants 4x8x8x8");
  PreparedCase wrong = numbered(3);
  wrong.label[100] = 4;
  write_prepared_case(cache.files[3], wrong);
  check_refused("label holds class 4, wants 0 to 3");
  wrong.info.labelled = false;
  write_prepared_case(cache.files[3], wrong);
  check_refused("has no labels");
}

TEST_CASE("loader: options that cannot work are refused with their numbers", "[loader]") {
  const Cache cache(3);
  LoaderOptions o = options(cache, 2);
  o.memory_bytes = 2 * kSampleBytes - 1;
  CHECK_THROWS_WITH(Loader(o),
                    ContainsSubstring("a batch of 2 takes 17408 bytes, more than the memory budget of 17407"));
  o = options(cache, 4);
  o.drop_last = true;
  CHECK_THROWS_WITH(Loader(o), ContainsSubstring("3 cases make no full batch of 4"));
  o = options(cache, 0);
  CHECK_THROWS_AS(Loader(o), Error);
  o = options(cache, 1);
  o.threads = 0;
  CHECK_THROWS_AS(Loader(o), Error);
  o = options(cache, 1);
  o.augment.noise_sigma = -1;
  CHECK_THROWS_AS(Loader(o), Error);
  o.files.clear();
  CHECK_THROWS_WITH(Loader(o), ContainsSubstring("no files"));
  Loader loader(options(cache, 1));
  CHECK_THROWS_WITH(static_cast<void>(loader.next()), ContainsSubstring("before start_epoch"));
  CHECK_THROWS_AS(loader.start_epoch(0, 4), Error);
}

}  // namespace
}  // namespace vox::test
