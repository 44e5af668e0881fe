#include "tools/run/run_series.h"

#include <fmt/format.h>

#include <optional>
#include <system_error>

#include "data/loading/splits.h"
#include "engine/atomic_file.h"
#include "engine/folder_lock.h"
#include "engine/ranks/deal.h"
#include "kernels/base/check.h"
#include "tools/run/first_rank.h"
#include "tools/run/series_summary.h"
#include "tools/run/stored_run.h"
#include "tools/run/training_cases.h"
#include "tools/ui/output.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

bool holds_run(const fs::path& folder) { return fs::exists(folder / "last.safetensors"); }

/// The folds of the series, each with cases to validate on.
std::vector<Split> folds_of_series(const fs::path& cache, const fs::path& splits, const TrainOptions& options,
                                   const SeriesOptions& series, Communicator& ranks) {
  const bool all = series.folds == SeriesOptions::Folds::all;
  TrainOptions first = options;
  if (all) { first.fold = 0; }
  std::vector<Split> folds = training_cases(cache, splits, first, &ranks).folds;
  for (std::int64_t f = 0; f < std::ssize(folds); ++f) {
    VOX_CHECK((!all && f != options.fold) || !folds[static_cast<std::size_t>(f)].val.empty(),
              "{}: fold {} has no case to validate on, and a series compares validations",
              splits.empty() ? cache.string() : splits.string(), f);
  }
  return folds;
}

void check_folders(const fs::path& output, const std::vector<SeriesRun>& runs, Training::Start start) {
  VOX_CHECK(!holds_run(output), "{}: holds a single run; give --fold all and --seeds another folder", output.string());
  if (start == Training::Start::resume) {
    VOX_CHECK(fs::exists(output / "splits.json"),
              "--resume: {} holds no series of runs; leave --resume out to start one", output.string());
    return;
  }
  VOX_CHECK(!fs::exists(output / "splits.json"),
            "{}: holds a series of runs already; give --resume to go on with it, or another folder", output.string());
  for (const SeriesRun& run : runs) {
    VOX_CHECK(!holds_run(output / run.folder), "{}: holds a run already", (output / run.folder).string());
  }
}

}  // namespace

std::vector<SeriesRun> series_runs(const TrainOptions& o, const SeriesOptions& series, std::int64_t folds) {
  const bool all = series.folds == SeriesOptions::Folds::all;
  std::vector<SeriesRun> runs;
  for (std::int64_t s = 0; s < series.seeds; ++s) {
    const std::uint64_t seed = o.seed + static_cast<std::uint64_t>(s);
    for (std::int64_t f = all ? 0 : o.fold; f < (all ? folds : o.fold + 1); ++f) {
      fs::path folder;
      if (series.seeds > 1) { folder /= fmt::format("seed{}", seed); }
      if (all) { folder /= fmt::format("fold{}", f); }
      runs.push_back({.folder = folder.string(), .seed = seed, .fold = f});
    }
  }
  return runs;
}

void train_series(const fs::path& cache, const fs::path& output, const TrainOptions& options,
                  const SeriesOptions& series, Training::Start start, const std::string& memory,
                  const std::set<std::string>& given, const RunOutputs& outputs, Communicator* of_runs) {
  Communicator& ranks = ranks_or_alone(of_runs);
  const bool first = ranks.rank() == 0;
  constexpr std::int64_t kMostSeeds = 1000;
  VOX_CHECK(series.seeds >= 1 && series.seeds <= kMostSeeds, "--seeds is {}, wants 1 to {}", series.seeds, kMostSeeds);
  check_options(options);
  const bool resumes = start == Training::Start::resume;
  const fs::path splits = output / "splits.json";
  const std::vector<Split> folds =
      folds_of_series(cache, resumes && fs::exists(splits) ? splits : fs::path(options.splits), options, series, ranks);
  const std::vector<SeriesRun> runs = series_runs(options, series, std::ssize(folds));
  std::optional<FolderLock> lock;
  if (first) {
    check_folders(output, runs, start);
    make_folders(output);
    lock.emplace(output, "voxgrad train");
    check_folders(output, runs, start);  // another program may have begun since the first look
    if (!resumes) { write_splits(splits, folds); }
  }

  std::set<std::string> of_each = given;  // each has splits.json of the series
  of_each.erase("splits");
  for (std::size_t i = 0; i < runs.size(); ++i) {
    const fs::path folder = output / runs[i].folder;
    print_safely("\nrun {} of {}: {}\n", i + 1, runs.size(), folder.string());
    TrainOptions o = options;
    o.seed = runs[i].seed;
    o.fold = runs[i].fold;
    o.splits = splits.string();
    const bool begun = first_finds(ranks, [&] { return holds_run(folder); });
    try {
      if (begun) {
        const StoredRun stored = stored_run(folder, ranks);
        o = resumed(stored.options, o, of_each);
        if (stored.is_done(o)) {
          print_safely("is done: {} epochs\n", stored.progress.epoch);
          continue;
        }
      }
      Training(cache, folder, o, begun ? Training::Start::resume : Training::Start::fresh, memory, outputs, &ranks)
          .run();
      if (stored_run(folder, ranks).is_done(o)) { continue; }
    } catch (...) {
      if (first && !resumes && !fs::exists(output / runs.front().folder)) {  // nothing has begun: nothing stays
        std::error_code ignored;
        fs::remove(splits, ignored);
        lock.reset();
        fs::remove(output, ignored);  // unless there is something else in it
      } else {
        print_safely("{}: did not end; --resume goes on with the series\n", folder.string());
      }
      throw;
    }
    print_safely("{}: was stopped; --resume goes on with the series\n", folder.string());
    return;
  }
  if (first) { summarise(output, runs); }
}

}  // namespace vox
