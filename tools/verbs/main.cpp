#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "kernels/base/check.h"
#include "tools/ui/output.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/config.h"

namespace {

constexpr int kUsage = 2;
constexpr int kData = 3;
constexpr int kMemory = 4;
constexpr int kNonFinite = 5;

/// What stands behind an unknown option: the one that was probably meant.
void suggest(const CLI::App& app, const CLI::ExtrasError& e) {
  const std::vector<CLI::App*> verbs = app.get_subcommands();
  const std::string message = e.what();
  const std::size_t dashes = message.find("--");
  if (verbs.empty() || dashes == std::string::npos) { return; }
  const std::string word = message.substr(dashes + 2, message.find_first_of(" =", dashes) - dashes - 2);
  const std::string near = vox::nearest(word, vox::long_options(*verbs.front()));
  if (!near.empty()) { vox::write_stderr(fmt::format("The nearest option is --{}\n", near)); }
}

/// The help or the version that was asked for, or what is wrong with the arguments. CLI11's code, 0 for the former.
int say(const CLI::App& app, const CLI::ParseError& e) {
  std::ostringstream out;
  std::ostringstream error;
  const int code = app.exit(e, out, error);
  vox::write_stdout(out.str());
  vox::write_stderr(error.str());
  return code;
}

int run(int argc, char** argv) {
  CLI::App app{"voxgrad: train and run a 3D U-Net that segments brain tumours in multi-modal MRI", "voxgrad"};
  vox::add_verbs(app);
  app.footer(
      "Exit codes: 0 fine, 1 a gradient check failed, 2 usage, or output that could not be written, 3 data, "
      "4 does not fit in memory, 5 non-finite numbers, 130 interrupted.\n"
      "'voxgrad VERB --help' tells what a verb takes.");
  try {
    std::vector<std::string> arguments = vox::apply_config(app, {argv + 1, argv + argc});
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app.parse(std::move(arguments));
    return 0;
  } catch (const CLI::ExtrasError& e) {
    say(app, e);
    suggest(app, e);
    return kUsage;
  } catch (const CLI::ParseError& e) { return say(app, e) == 0 ? 0 : kUsage; }
}

int report(const std::string& message, int code) {
  vox::write_stderr(fmt::format("voxgrad: {}\n", message));
  return code;
}

/// What fmt throws where stdout cannot be written is remembered with the reason, and said at the end.
int report_system_error(const std::system_error& e) {
  if (std::ferror(stdout) == 0) { return report(e.what(), kUsage); }
  vox::note_failed_stdout(e.code().value());
  return kUsage;
}

int run_and_report(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const vox::ExitCode& e) { return e.code; } catch (const vox::DataError& e) {
    return report(e.what(), kData);
  } catch (const vox::MemoryError& e) { return report(e.what(), kMemory); } catch (const vox::NonFiniteError& e) {
    return report(e.what(), kNonFinite);
  } catch (const vox::OutputError& e) {
    vox::note_failed_output(e.what());
    return kUsage;
  } catch (const std::bad_alloc& e) { return report(e.what(), kMemory); } catch (const std::system_error& e) {
    return report_system_error(e);
  } catch (const std::exception& e) { return report(e.what(), kUsage); }
}

}  // namespace

int main(int argc, char** argv) {
  vox::hold_standard_descriptors();
  int code = run_and_report(argc, argv);
  // Where an output is missing nothing has gone well, whatever the verb says.
  for (const std::string& message : vox::finish_output()) { code = report(message, kUsage); }
  return code;
}
