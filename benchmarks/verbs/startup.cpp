#include <fmt/format.h>

#include <filesystem>

#include "benchmarks/measure/clocks.h"
#include "benchmarks/measure/machine.h"
#include "benchmarks/measure/spread.h"
#include "benchmarks/rivals/child.h"
#include "benchmarks/verbs/bench.h"
#include "kernels/base/check.h"

namespace vox::bench {
namespace {

namespace fs = std::filesystem;

struct Options {
  int rounds = 21;
  std::vector<std::string> command;
  std::string json;
  std::string csv;
};

/// From the call that starts a program to the end that it comes to, seconds by round.
std::vector<std::vector<double>> take_turns(const std::vector<std::vector<std::string>>& programs, int rounds) {
  std::vector<std::vector<double>> seconds(programs.size());
  for (int round = -1; round < rounds; ++round) {  // the first brings the files into memory
    for (std::size_t i = 0; i < programs.size(); ++i) {
      int code = 0;
      const Times t = measured([&] { code = run_program(programs[i]); });
      VOX_CHECK(code == 0, "'{}' {}", fmt::join(programs[i], " "),
                code < 0 ? std::string("cannot be run") : fmt::format("ends with exit code {}", code));
      if (round >= 0) { seconds[i].push_back(t.wall_s); }
    }
  }
  return seconds;
}

void run(const Options& o) {
  const fs::path voxgrad = fs::path(own_path()).parent_path() / "voxgrad";  // which starts this program
  std::vector<std::vector<std::string>> programs{{"true"},
                                                 {fs::exists(voxgrad) ? voxgrad.string() : own_path(), "--help"}};
  if (!o.command.empty()) { programs.push_back(o.command); }
  Report report({.json = o.json, .csv = o.csv});
  report.head(machine_facts(Device::cpu));
  report.head({{"rounds", fmt::format("{}, in turns; what is above 'true' is the program's own", o.rounds)}});
  const std::vector<std::vector<double>> seconds = take_turns(programs, o.rounds);
  report.table({{.heading = "command", .width = 40, .text = true},
                {.heading = "ms", .width = 7},
                {.heading = "spread %"},
                {.heading = "fastest ms"},
                {.heading = "slowest ms"}});
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const Spread s = spread_of(seconds[i]);
    const std::string command = fmt::format("{}", fmt::join(programs[i], " "));
    report.row(
        {{"command", command},
         {"ms", 1e3 * s.median},
         {"spread", s.relative()},
         {"fastest_ms", 1e3 * s.lowest},
         {"slowest_ms", 1e3 * s.highest},
         {"samples_s", seconds[i]}},
        {command, digits(1e3 * s.median), percent(s.relative()), digits(1e3 * s.lowest), digits(1e3 * s.highest)});
  }
  report.finish();
}

}  // namespace

void add_startup_verb(Command bench) {
  const Command verb = bench.command("startup", "How long this program takes to start, or any command");
  const auto o = std::make_shared<Options>();
  verb.option("--rounds", o->rounds).positive();
  verb.option("--json", o->json, "a file for all figures, samples included");
  verb.option("--csv", o->csv, "a file for the rows of the table");
  verb.option("command", o->command, "another command to measure in turns, after --");
  verb.run([o] { run(*o); });
}

}  // namespace vox::bench
