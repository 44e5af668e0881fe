#include "engine/ranks/rank_cases.h"

#include <algorithm>
#include <map>
#include <string>

#include "data/loading/loader.h"
#include "kernels/base/check.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/loader_batches.h"
#include "tests/support/training_run.h"

namespace vox::test {
namespace {

constexpr int kMostRanks = 5;
constexpr std::int64_t kMostBatch = 7;

template <class T> std::span<const T> sample_of(const Batch& b, std::span<T> all, std::size_t s) {
  const std::size_t values = all.size() / static_cast<std::size_t>(b.shape[0]);
  return std::span<const T>(all).subspan(s * values, values);
}

/// Is sample s of one batch, at that place of the whole, the whole's to the bit?
bool same_sample(const Batch& part, std::size_t s, const Batch& whole) {
  const auto place = static_cast<std::size_t>(part.places.at(s));
  return part.keys[s].position == whole.keys[place].position &&
         std::ranges::equal(sample_of(part, part.images, s), sample_of(whole, whole.images, place)) &&
         std::ranges::equal(sample_of(part, part.labels, s), sample_of(whole, whole.labels, place));
}

TEST_CASE("rank cases: every part of a batch is shared evenly, and nobody is without a case", "[loader][ranks]") {
  for (int ranks = 1; ranks <= kMostRanks; ++ranks) {
    for (std::int64_t batch = 1; batch <= kMostBatch; ++batch) {
      for (const std::int64_t at_a_time : {0, 1, 2, 3, 9}) {
        CAPTURE(ranks, batch, at_a_time);
        std::map<std::int64_t, int> seen;
        for (int rank = 0; rank < ranks; ++rank) {
          const RankCases here = rank_cases(batch, at_a_time, rank, ranks);
          const std::int64_t part = at_a_time == 0 ? batch : std::min(at_a_time, batch);
          REQUIRE(std::ssize(here.shares) == (batch + part - 1) / part);
          std::size_t next = 0;
          std::int64_t begin = 0;
          for (const BatchShare& share : here.shares) {
            REQUIRE(share.whole == std::min(part, batch - begin));
            REQUIRE((share.count == share.whole / ranks || share.count == share.whole / ranks + 1));
            if (share.count == 0) { REQUIRE(here.places.at(next++) == begin); }
            for (std::int64_t i = 0; i < share.count; ++i, ++next) {
              REQUIRE(here.places.at(next) == begin + share.first + i);
              ++seen[here.places[next]];
            }
            begin += share.whole;
          }
          REQUIRE(begin == batch);
          REQUIRE(next == here.places.size());
          // What Uploader makes of the places, cutting them by at_a_time(), are these parts.
          REQUIRE((here.count() + here.at_a_time() - 1) / here.at_a_time() == std::ssize(here.shares));
        }
        REQUIRE(std::ssize(seen) == batch);
        REQUIRE(std::ranges::all_of(seen, [](const auto& s) { return s.second == 1; }));
      }
    }
  }
  CHECK_THROWS_AS(rank_cases(0, 0, 0, 1), Error);
  CHECK_THROWS_AS(rank_cases(1, 0, 1, 1), Error);
}

TEST_CASE("loader: ranks together read what one reads, bit for bit, whatever they are and the batch is",
          "[loader][ranks]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::zscore, kMostBatch);
  LoaderOptions o;
  o.files = find_prepared_cases(folder / "cache");
  o.seed = 7;
  o.augment = AugmentOptions{};
  o.patch = PatchOptions{.size = {8, 8, 8}};  // which of them hold foreground depends on the place in the batch
  for (o.batch = 1; o.batch <= kMostBatch; ++o.batch) {
    o.rank = 0;
    o.ranks = 1;
    o.at_a_time = 0;
    Loader alone(o);
    const std::vector<Batch> wanted = epoch_of(alone, 1);
    for (o.ranks = 2; o.ranks <= kMostRanks; ++o.ranks) {
      o.at_a_time = (o.batch + o.ranks) % 2 == 0 ? 0 : 2;
      for (o.rank = 0; o.rank < o.ranks; ++o.rank) {
        CAPTURE(o.batch, o.ranks, o.rank, o.at_a_time);
        Loader loader(o);
        const std::vector<Batch> read = epoch_of(loader, 1);
        REQUIRE(read.size() == wanted.size());
        for (std::size_t b = 0; b < read.size(); ++b) {
          CHECK(read[b].ids == wanted[b].ids);
          const RankCases here = rank_cases(wanted[b].shape[0], o.at_a_time, o.rank, o.ranks);
          CHECK(read[b].places == here.places);
          CHECK(read[b].shape[0] == here.count());
          for (std::size_t s = 0; s < read[b].places.size(); ++s) { CHECK(same_sample(read[b], s, wanted[b])); }
        }
      }
    }
  }
}

TEST_CASE("loader: an unreadable case is an error on the rank that reads it, and on no other", "[loader][ranks]") {
  const TempFolder folder;
  make_training_cache(folder / "cache", RecipeKind::zscore, 4);
  LoaderOptions o;
  o.files = find_prepared_cases(folder / "cache");
  o.batch = 4;
  o.ranks = 2;
  o.shuffle = false;
  std::vector<std::unique_ptr<Loader>> loaders;
  for (o.rank = 0; o.rank < o.ranks; ++o.rank) { loaders.push_back(std::make_unique<Loader>(o)); }
  std::filesystem::resize_file(o.files[2], 5000);
  CHECK(epoch_of(*loaders[0], 0).front().ids.size() == 4);
  loaders[1]->start_epoch(0);
  CHECK_THROWS_AS(loaders[1]->next(), DataError);
}

}  // namespace
}  // namespace vox::test
