#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "kernels/check.h"
#include "tools/commands.h"
#include "tools/config.h"

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
  if (!near.empty()) { fmt::print(stderr, "The nearest option is --{}\n", near); }
}

int run(int argc, char** argv) {
  CLI::App app{"voxgrad: train and run a 3D U-Net that segments brain tumours in multi-modal MRI", "voxgrad"};
  vox::add_verbs(app);
  app.footer(
      "Exit codes: 0 fine, 1 a gradient check failed, 2 usage, 3 data, 4 does not fit in memory, 5 non-finite numbers, "
      "130 interrupted.\n"
      "'voxgrad VERB --help' tells what a verb takes.");
  try {
    std::vector<std::string> arguments = vox::apply_config(app, {argv + 1, argv + argc});
    std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
    app.parse(std::move(arguments));
    return 0;
  } catch (const CLI::ExtrasError& e) {
    app.exit(e);
    suggest(app, e);
    return kUsage;
  } catch (const CLI::ParseError& e) { return app.exit(e) == 0 ? 0 : kUsage; }
}

int report(const std::exception& e, int code) {
  fmt::print(stderr, "voxgrad: {}\n", e.what());
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const vox::ExitCode& e) { return e.code; } catch (const vox::DataError& e) {
    return report(e, kData);
  } catch (const vox::MemoryError& e) { return report(e, kMemory); } catch (const vox::NonFiniteError& e) {
    return report(e, kNonFinite);
  } catch (const std::bad_alloc& e) { return report(e, kMemory); } catch (const std::exception& e) {
    return report(e, kUsage);
  }
}
