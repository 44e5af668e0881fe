#include "data/synth/synth.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

#include "engine/context.h"
#include "tools/ui/output.h"
#include "tools/ui/progress_bar.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

struct Options {
  std::string output;
  std::int64_t cases = 8;
  std::uint64_t seed = 1;
  std::vector<std::int64_t> size{240, 240, 155};
  bool plant_faults = false;
  int threads = 0;
};

void run(const Options& o) {
  outlive_readers();
  std::optional<ProgressBar> bar;
  const auto on_case = [&](std::int64_t done, std::int64_t total) {
    if (!bar) { bar.emplace("synth", total, "cases"); }
    bar->update(done);
  };
  const auto codes = write_synthetic_cases({.output = o.output,
                                            .cases = o.cases,
                                            .seed = o.seed,
                                            .size = {o.size[2], o.size[1], o.size[0]},
                                            .plant_faults = o.plant_faults,
                                            .threads = threads_or_all(o.threads),
                                            .on_case = on_case});
  bar.reset();
  fmt::print("{} cases of {} voxels in '{}'\n", codes.size(), fmt::join(o.size, "x"), o.output);
  if (o.plant_faults) { fmt::print("the faults planted are listed in faults.json there\n"); }
}

}  // namespace

void add_synth(Command app) {
  const Command command =
      app.command("synth", "Write made-up cases as BraTS files, so that every command runs without real data");
  const auto o = std::make_shared<Options>();
  command.option("-o,--output", o->output, "folder to write to, made when absent").required();
  command.option("--cases", o->cases, "sound cases").range(1, 100'000);
  command.option("--seed", o->seed, "another seed, other heads and tumours").not_negative();
  command.option("--size", o->size, "voxels from left to right, front to back, bottom to top: 16 to 512")
      .delimiter(',')
      .expected(3)
      .range(16, 512);
  command.flag("--plant-faults", o->plant_faults, "also one case for every finding of check, and faults.json");
  command.option("--threads", o->threads, "cases at a time, about 0.25 GiB each; 0: one per core").not_negative();
  command.run([o] { run(*o); });
}

}  // namespace vox
