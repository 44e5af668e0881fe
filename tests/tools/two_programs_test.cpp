// Two programs that write into one folder: the second is refused, and the first goes on as if it were alone.
#include <signal.h>

#include <filesystem>
#include <string>

#include "engine/folder_lock.h"
#include "tests/support/catch.h"
#include "tests/support/files.h"
#include "tests/support/program.h"
#include "tests/support/training_run.h"

namespace vox::test {
namespace {

namespace fs = std::filesystem;

std::string into(const fs::path& cache, const fs::path& run) {
  return "train --widths 2 2 2 --epochs 100 --threads 1 --folds 3 -i " + cache.string() + " -o " + run.string();
}

}  // namespace

TEST_CASE("a run's folder that another program writes to is refused, with who it is", "[training][cli]") {
  const TempFolder folder;
  const fs::path cache = folder / "cache";
  const fs::path run = folder / "run";
  make_training_cache(cache);
  Ended fresh;
  Ended resumed;
  Ended read;
  int first = 0;
  // Behind the first epoch, of two steps: there is a checkpoint.
  const int code = train_with_program(cache, run, 5, [&](int process) {
    first = process;
    kill(process, SIGSTOP);  // it does not end before the others have had their turn
    fresh = voxgrad(into(cache, run));
    resumed = voxgrad("train --resume --epochs 100 -i " + cache.string() + " -o " + run.string());
    read = voxgrad("plot " + run.string() + " -o " + (folder / "plot.svg").string());
    kill(process, SIGCONT);
  });
  CHECK(code == 0);
  const std::string said =
      run.string() + ": is being written to by voxgrad train, process " + std::to_string(first) + " on ";
  for (const Ended& e : {fresh, resumed}) {
    CHECK(e.code == 2);
    CHECK_THAT(e.output, ContainsSubstring(said));
  }
  CHECK_THAT(read.output, !ContainsSubstring("is being written to"));
  CHECK_FALSE(fs::exists(run / ".lock"));
  CHECK(log_of(run, "epoch").size() == 3);  // of the first one alone
  CHECK(log_of(run, "start").size() == 1);
}

TEST_CASE("a series whose folder another program writes to is refused", "[training][cli]") {
  const TempFolder folder;
  make_training_cache(folder / "cache");
  fs::create_directories(folder / "runs");
  const FolderLock lock(folder / "runs", "the first");
  const Ended e = voxgrad(into(folder / "cache", folder / "runs") + " --fold all");
  CHECK(e.code == 2);
  CHECK_THAT(e.output, ContainsSubstring("is being written to by the first, process"));
  CHECK_FALSE(fs::exists(folder / "runs/splits.json"));
}

}  // namespace vox::test
