#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <string>

#include "engine/atomic_file.h"
#include "engine/read_file.h"
#include "kernels/base/check.h"
#include "tools/report/page.h"
#include "tools/run/run_report.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct Options {
  fs::path run;
  fs::path output;
};

/// The log of a run; where the folder holds several runs, as those of train --fold all do, the error names one.
fs::path log_of(const fs::path& run) {
  VOX_CHECK(is_folder(run), "{}: is no folder; wants the folder of a run of voxgrad train", run.string());
  fs::path log = run / "log.jsonl";
  if (is_there(log)) { return log; }
  for (const auto& below : fs::recursive_directory_iterator(run, fs::directory_options::skip_permission_denied)) {
    VOX_CHECK(below.path().filename() != "log.jsonl", "{}: holds several runs, such as {}; wants one of them",
              run.string(), below.path().parent_path().string());
  }
  VOX_FAIL("{}: holds no run of voxgrad train: there is no log.jsonl", run.string());
}

void run(const Options& o) {
  const RunHistory history = read_history(log_of(o.run));
  VOX_CHECK(!history.epochs().empty() || !history.steps().empty(),
            "{}: the run has not done a step yet: there is nothing to report", o.run.string());
  const fs::path file = o.output.empty() ? o.run / "report.html" : o.output;
  write_file(file, report_page(run_model(fs::absolute(o.run).lexically_normal(), history, false)));
  fmt::print("{}: {} epochs, {} steps{}\n", file.string(), history.epochs().size(), history.steps().size(),
             history.validated() != nullptr ? "" : "; the run was never validated: no scores of cases and no pictures");
}

}  // namespace

void add_report(Command app) {
  const Command verb = app.command("report", "Write the page of a run: curves, cases, pictures, configuration");
  auto o = std::make_shared<Options>();
  verb.option("run", o->run, "folder of a run of train, finished or not").required().type_name("RUN");
  verb.option("-o,--output", o->output, "page to write").default_text("RUN/report.html").type_name("FILE.html");
  verb.run([o] { run(*o); });
}

}  // namespace vox
