#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "tools/ui/output.h"
#include "tools/verbs/bench.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/config.h"

namespace {

constexpr int kUsage = 2;
constexpr int kData = 3;
constexpr int kMemory = 4;
constexpr int kNonFinite = 5;

int run(int argc, char** argv) {
#ifdef VOX_BENCH
  if (argc > 1 && std::string_view(argv[1]) == "bench") { vox::run_bench(argc, argv); }
#endif
  vox::CommandLine app("voxgrad: train and run a 3D U-Net that segments brain tumours in multi-modal MRI", "voxgrad");
  app.version("voxgrad " + vox::version_text());
  vox::add_verbs(app);
  vox::add_texts(app);
  app.footer(
      "Exit codes: 0 fine, 1 a gradient check failed, 2 usage, or output that could not be written, 3 data, "
      "4 does not fit in memory, 5 non-finite numbers, 130 interrupted.\n"
      "'voxgrad VERB --help' tells what a verb takes.");
  const vox::CommandLine::Answer answer = app.read(vox::apply_config(app, {argv + 1, argv + argc}));
  vox::write_stdout(answer.out);
  vox::write_stderr(answer.error);
  return answer.error.empty() ? 0 : kUsage;
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
    vox::join_world();
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
  vox::leave_world();
  return code;
}
