#include "tools/run/run_report.h"

#include <fmt/core.h>

#include <new>
#include <string>
#include <utility>

#include "engine/atomic_file.h"
#include "engine/json_text.h"
#include "kernels/base/check.h"
#include "tools/report/page.h"
#include "tools/run/label_volumes.h"
#include "tools/ui/output.h"

namespace vox {

RunReport::RunReport(std::filesystem::path run, bool on, const RunHistory& history, Communicator& ranks)
    : run_(std::move(run)), on_(on), history_(history), ranks_(ranks), writes_(on && ranks.rank() == 0) {}

RunReport::~RunReport() {
  if (says_running_) { write(false); }
  wait_for_pictures();
}

template <class Write> void RunReport::try_to(const Write& write) {
  if (!writes_) { return; }
  try {
    write();
  } catch (const std::exception& e) {  // whatever it is, the training goes on
    const bool memory = dynamic_cast<const std::bad_alloc*>(&e) != nullptr;
    const std::string why =
        memory ? fmt::format("{}: the report does not fit in memory", run_.string()) : std::string(e.what());
    note_failed_output(why);
    if (!said_) { write_stderr(fmt::format("the report of the run is not written: {}\n", why)); }
    said_ = true;
  }
}

void RunReport::begin(bool fresh, std::span<const std::filesystem::path> train,
                      std::span<const std::filesystem::path> val, int threads) {
  val_.assign(val.begin(), val.end());
  try_to([&] {
    const std::filesystem::path file = run_ / "data.json";
    if (fresh) {
      std::filesystem::remove(run_ / "pictures.json");
    } else if (std::filesystem::exists(file)) {
      return;
    }
    Json cases = label_volumes(train, "train", threads);
    for (const Json& c : label_volumes(val, "validation", threads)) { cases.push_back(c); }
    write_file(file, json_text({{"cases", cases}}, 1) + "\n");
  });
}

OnValidated RunReport::listener(Targets targets) {
  if (!on_) { return {}; }
  pictures_.clear();
  return [this, targets](const PreparedFile& file, const CaseValidation& scores, const Tensor& logits) {
    pictures_.keep(file, scores, logits, targets);
  };
}

void RunReport::improved(std::int64_t epoch) {
  if (on_) { pictures_.gather(ranks_, val_); }
  wait_for_pictures();
  try_to([&] {
    const auto draw = [pictures = std::exchange(pictures_, {}), file = run_ / "pictures.json", epoch] {
      write_file(file, json_text({{"epoch", epoch}, {"cases", pictures.draw()}}) + "\n");
    };
    drawing_ = std::async(std::launch::async, draw);
  });
}

void RunReport::wait_for_pictures() {
  if (drawing_.valid()) {
    try_to([&] { drawing_.get(); });
  }
}

void RunReport::write(bool running) {
  says_running_ = false;
  if (!running) { wait_for_pictures(); }
  try_to([&] {
    write_file(run_ / "report.html", report_page(run_model(run_, history_, running)));
    says_running_ = running;
  });
}

}  // namespace vox
