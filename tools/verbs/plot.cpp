#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/base/check.h"
#include "tools/run/run_record.h"
#include "tools/run/series_summary.h"
#include "tools/ui/runs_plot.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

namespace fs = std::filesystem;

struct PlotArgs {
  std::vector<std::string> runs;
  std::vector<std::string> names;
  fs::path output;
};

using Measures = std::array<double, kCurvePanels.size()>;

/// What an epoch's line says, in the order of kCurvePanels.
Measures measures_in(const Json& epoch) {
  const auto number = [](const Json* found) {
    return found != nullptr && found->is_number() ? found->get<double>() : NAN;
  };
  Measures m{number(epoch.find("train_loss")), number(epoch.find("val_loss")), NAN, NAN, NAN, NAN};
  if (const Json* const dice = epoch.find("dice")) {
    for (std::size_t r = 0; r < kRegions.size(); ++r) { m[3 + r] = number(dice->find(dice_name(r))); }
    m[2] = (m[3] + m[4] + m[5]) / 3;
  }
  return m;
}

Curve curve_of(const std::string& name, const std::vector<RunRecord>& runs) {
  std::map<std::int64_t, std::vector<Measures>> by_epoch;
  for (const RunRecord& run : runs) {
    for (const Json& line : run.epochs) { by_epoch[line.at("epoch").get<std::int64_t>()].push_back(measures_in(line)); }
  }
  Curve curve{.name = name, .rows = {}};
  for (const auto& [epoch, all] : by_epoch) {
    CurveRow row{.epoch = epoch};
    for (std::size_t p = 0; p < kCurvePanels.size(); ++p) {
      std::vector<double> values;
      for (const Measures& m : all) {
        if (std::isfinite(m[p])) { values.push_back(m[p]); }
      }
      const MeanAndSpread over = values.empty() ? MeanAndSpread{NAN, NAN} : mean_and_spread(values);
      row.mean[p] = over.mean;
      row.spread[p] = over.spread;
    }
    curve.rows.push_back(row);
  }
  return curve;
}

Curve read_curve(const fs::path& folder, const std::string& name) {
  std::vector<RunRecord> runs;
  if (is_run_folder(folder)) {
    runs.push_back(read_run(folder));
  } else {
    for (const SeriesRun& run : begun_runs(folder)) { runs.push_back(read_run(folder / run.folder)); }
    VOX_CHECK(!runs.empty(), "{}: holds no run of voxgrad train, and no series of runs", folder.string());
  }
  Curve curve = curve_of(runs.size() == 1 ? name : fmt::format("{} ({} runs)", name, runs.size()), runs);
  VOX_CHECK_DATA(!curve.rows.empty(), "{}: no epoch of it has ended", folder.string());
  return curve;
}

/// The folder's own name, or what was given where two are called the same.
std::vector<std::string> names_of(const PlotArgs& args) {
  VOX_CHECK(args.names.empty() || args.names.size() == args.runs.size(), "--name: {} names for {} runs, wants one each",
            args.names.size(), args.runs.size());
  if (!args.names.empty()) { return args.names; }
  std::vector<std::string> own;
  for (const std::string& run : args.runs) {
    const fs::path path = fs::path(run).lexically_normal();
    own.push_back((path.has_filename() ? path.filename() : path.parent_path().filename()).string());
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < own.size(); ++i) {
    names.push_back(std::ranges::count(own, own[i]) > 1 ? args.runs[i] : own[i]);
  }
  return names;
}

void plot(const PlotArgs& args) {
  std::vector<Curve> curves;
  const std::vector<std::string> names = names_of(args);
  for (std::size_t i = 0; i < args.runs.size(); ++i) { curves.push_back(read_curve(args.runs[i], names[i])); }
  plot_runs(args.output, curves);
  fmt::print("{}: {} {}\n", args.output.string(), curves.size(), curves.size() == 1 ? "curve" : "curves");
}

}  // namespace

void add_plot(Command app) {
  const Command verb = app.command("plot", "Draw the losses and Dice of training runs in one picture, PNG or SVG");
  const auto args = std::make_shared<PlotArgs>();
  verb.option(
          "runs", args->runs,
          "folders of runs; of a series (--seeds, --fold all) the mean is drawn, and its standard deviation as a band")
      .required();
  verb.option("-o,--output", args->output, "picture to write").required().type_name("FILE.png|FILE.svg");
  verb.option("--name", args->names, "in the legend, one for each run in turn; default: the folders' names")
      .repeatable();
  verb.run([args] { plot(*args); });
}

}  // namespace vox
