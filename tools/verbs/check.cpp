#include "data/check/check.h"

#include <fmt/core.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "engine/context.h"
#include "engine/json.h"
#include "engine/json_text.h"
#include "tools/ui/progress_bar.h"
#include "tools/ui/table.h"
#include "tools/verbs/case_options.h"
#include "tools/verbs/commands.h"

namespace vox {
namespace {

struct Options {
  std::string input;
  bool json = false;
  bool strict = false;
  std::string labels = "auto";
  std::string layout = "auto";
  std::string mask_suffix;
  int threads = 0;
};

std::string labels_of(const CaseCheck& c) { return c.labels ? std::string(name(*c.labels)) : "-"; }

std::int64_t count(const CaseCheck& c, Severity severity) {
  return std::count_if(c.findings.begin(), c.findings.end(),
                       [&](const Finding& f) { return code_of(f.check).severity == severity; });
}

Json json_of(const CaseCheck& c) {
  Json findings = Json::array();
  for (const Finding& f : c.findings) {
    const CheckCode& code = code_of(f.check);
    findings.push_back({{"code", code.code},
                        {"severity", name(code.severity)},
                        {"title", code.title},
                        {"file", f.file.string()},
                        {"message", f.message},
                        {"advice", code.advice}});
  }
  Json out{{"id", c.id}, {"folder", c.folder.string()}, {"labels", nullptr}, {"findings", findings}};
  if (c.labels) { out["labels"] = name(*c.labels); }
  return out;
}

void print_json(const CheckReport& report) {
  Json document{{"layout", name(report.layout)},
                {"errors", report.count(Severity::error)},
                {"warnings", report.count(Severity::warning)},
                {"notes", report.count(Severity::note)},
                {"cases", Json::array()}};
  for (const CaseCheck& c : report.cases) { document["cases"].push_back(json_of(c)); }
  fmt::print("{}\n", json_text(document, 2));
}

void print_table(const CheckReport& report) {
  std::vector<std::vector<std::string>> rows{{"case", "labels", "errors", "warnings", "notes"}};
  for (const CaseCheck& c : report.cases) {
    rows.push_back({c.id, labels_of(c)});
    for (const Severity severity : {Severity::error, Severity::warning, Severity::note}) {
      rows.back().push_back(std::to_string(count(c, severity)));
    }
  }
  fmt::print("{}", text_table(rows));
}

/// Worst first; one block per code, its advice once.
void print_findings(const CheckReport& report) {
  for (const Severity severity : {Severity::error, Severity::warning, Severity::note}) {
    for (std::size_t check = 0; check < static_cast<std::size_t>(Check::count_); ++check) {
      const CheckCode& code = code_of(static_cast<Check>(check));
      bool titled = false;
      for (const CaseCheck& c : report.cases) {
        for (const Finding& f : c.findings) {
          if (code.severity != severity || f.check != static_cast<Check>(check)) { continue; }
          if (!titled) { fmt::print("\n{} {}: {}. {}\n", code.code, name(severity), code.title, code.advice); }
          titled = true;
          fmt::print("  {}  {}: {}\n", c.id, f.file.filename().string(), f.message);
        }
      }
    }
  }
}

void run(const Options& o) {
  std::optional<ProgressBar> bar;
  const CheckReport report = check_cases({.input = o.input,
                                          .labels = labels_option(o.labels),
                                          .mask_suffix = o.mask_suffix,
                                          .layout = layout_option(o.layout),
                                          .threads = threads_or_all(o.threads),
                                          .on_case = [&](std::int64_t done, std::int64_t total) {
                                            if (!bar) { bar.emplace("check", total, "cases"); }
                                            bar->update(done);
                                          }});
  bar.reset();
  if (o.json) {
    print_json(report);
  } else {
    fmt::print("{}\n", report.found);
    print_table(report);
    print_findings(report);
    fmt::print("\n{} cases: {} errors, {} warnings, {} notes\n", report.cases.size(), report.count(Severity::error),
               report.count(Severity::warning), report.count(Severity::note));
  }
  const bool bad = report.count(Severity::error) > 0 || (o.strict && report.count(Severity::warning) > 0);
  if (bad) { throw ExitCode{3}; }
}

}  // namespace

void add_check(Command app) {
  const Command command =
      app.command("check", "Look for what is wrong with cases: coded findings, exit 3 when one is an error");
  const auto o = std::make_shared<Options>();
  command.option("-i,--input", o->input, "folder of cases, one case, or a list of paths").required();
  command.flag("--json", o->json, "findings as JSON");
  command.flag("--strict", o->strict, "exit 3 for a warning as well");
  add_layout_option(command, o->layout);
  add_labels_option(command, o->labels);
  add_mask_option(command, o->mask_suffix);
  command.option("--threads", o->threads, "cases at a time, about 0.25 GiB each; 0: one per core").not_negative();
  command.footer("docs/check-codes.md lists the codes: what is tested, and what to do.");
  command.run([o] { run(*o); });
}

}  // namespace vox
