#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/gradcheck.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "engine/samples/sample.h"
#include "kernels/base/check.h"
#include "tools/ui/table.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

struct Options {
  std::string op = "all";
  std::string device = "cpu";
  bool json = false;
};

struct Row {
  std::string op;
  std::string variant;
  std::string input;
  GradcheckInput found;
};

void check_name(const std::string& op) {
  VOX_CHECK(op == "all" || std::ranges::find(kOpNames, op) != kOpNames.end(),
            "gradcheck: no operator '{}'; there are all, {}", op, fmt::join(kOpNames, ", "));
}

std::vector<Row> check_all(const std::string& op, Device device) {
  std::vector<Row> rows;
  for (std::size_t i = 0; i < kOpNames.size(); ++i) {
    if (op != "all" && op != kOpNames.at(i)) { continue; }
    for (const samples::Sample& s : samples::of(static_cast<Op>(i))) {
      if (!s.gradchecked) { continue; }
      for (const GradcheckInput& found : gradcheck(s.call, samples::small_inputs(s), {.device = device}).inputs) {
        rows.push_back(
            {std::string(kOpNames.at(i)), std::string(s.variant), std::string(s.inputs[found.input].name), found});
      }
    }
  }
  return rows;
}

void print_table(const std::vector<Row>& rows) {
  std::vector<std::vector<std::string>> table{{"operator", "input", "shape", "error", "allowed", "ok"}};
  for (const Row& r : rows) {
    table.push_back({r.variant.empty() ? r.op : fmt::format("{} ({})", r.op, r.variant), r.input, r.found.shape.str(),
                     fmt::format("{:.1e}", r.found.error()), fmt::format("{:.1e}", r.found.allowed),
                     r.found.ok() ? "yes" : "NO"});
  }
  fmt::print("{}", text_table(table));
}

/// JSON has neither infinity nor NaN and would say null: which of them it is stands as a text.
Json number(double value) {
  if (std::isfinite(value)) { return value; }
  return fmt::format("{}", value);
}

void print_json(const std::vector<Row>& rows) {
  auto list = Json::array();
  for (const Row& r : rows) {
    const auto extents = r.found.shape.extents();
    list.push_back(
        {{"op", r.op},
         {"variant", r.variant},
         {"input", r.input},
         {"shape", std::vector<std::int64_t>(extents.begin(), extents.end())},
         {"max_error", number(r.found.error())},
         {"allowed", r.found.allowed},
         {"ok", r.found.ok()},
         {"worst",
          {{"index", r.found.index}, {"analytic", number(r.found.analytic)}, {"numeric", number(r.found.numeric)}}}});
  }
  fmt::print("{}\n", json_text(list, 2));
}

void run(const Options& options) {
  check_name(options.op);
  const std::vector<Row> rows = check_all(options.op, select_device(options.device));
  const auto failed = std::ranges::count_if(rows, [](const Row& r) { return !r.found.ok(); });
  if (options.json) {
    print_json(rows);
  } else {
    print_table(rows);
    fmt::print("{} gradients checked in f64 against central differences, {} wrong\n", rows.size(), failed);
    for (const Row& r : rows) {
      const std::string message = GradcheckResult{.inputs = {r.found}}.message();
      if (!message.empty()) { fmt::print(stderr, "{}: {}\n", r.op, message); }
    }
  }
  if (failed > 0) { throw ExitCode{1}; }
}

}  // namespace

void add_gradcheck(Command app) {
  const auto options = std::make_shared<Options>();
  const Command verb = app.command(
      "gradcheck", "Compare the gradient of every operator with central differences, in f64 (exit 1 if one is wrong)");
  verb.option("--op", options->op, "operator to check, or all");
  verb.option("--device", options->device, "where: cpu, cuda, cuda:N or simt");
  verb.flag("--json", options->json, "print the table as JSON");
  verb.run([options] { run(*options); });
}

}  // namespace vox
