#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "engine/mapped_files.h"
#include "engine/ranks/job.h"
#include "engine/ranks/other_rank_failed.h"
#include "engine/ranks/world.h"
#include "kernels/base/check.h"
#include "tools/ui/output.h"
#include "tools/ui/printable_text.h"
#include "tools/verbs/bench.h"
#include "tools/verbs/commands.h"
#include "tools/verbs/config.h"

namespace {

constexpr int kUsage = 2;
constexpr int kData = 3;
constexpr int kMemory = 4;
constexpr int kNonFinite = 5;

/// Verbs that share their work among ranks. The others would do all of it once per rank.
void check_verb_of_ranks(int argc, char** argv) {
  constexpr std::array<std::string_view, 5> kShared{"train", "prepare", "predict", "evaluate", "doctor"};
  if (vox::world().size() == 1 || argc < 2 || argv[1][0] == '-') { return; }
  VOX_CHECK(std::ranges::find(kShared, argv[1]) != kShared.end(),
            "'{}' works on one rank, and here are {}: start it without mpirun or srun ({} take several)", argv[1],
            vox::world().size(), fmt::join(kShared, ", "));
}

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
      "4 does not fit in memory, 5 non-finite numbers, 6 a rank that does not answer, 130 interrupted.\n"
      "'voxgrad VERB --help' tells what a verb takes.");
  const vox::CommandLine::Answer answer = app.read(vox::apply_config(app, {argv + 1, argv + argc}));
  if (vox::is_first_rank()) {
    vox::write_stdout(answer.out);
    vox::write_stderr(vox::printable_text(answer.error));
  }
  return answer.error.empty() ? 0 : kUsage;
}

/// Where an allocation is refused within a destructor, or in another function that may not throw.
[[noreturn]] void end_without_memory() {
  try {
    if (const std::exception_ptr now = std::current_exception()) { std::rethrow_exception(now); }
  } catch (const std::bad_alloc&) {
    constexpr std::string_view kText =
        "\nvoxgrad: does not fit in memory: an allocation was refused where none may fail\n";
    if (write(STDERR_FILENO, kText.data(), kText.size()) >= 0) { _exit(kMemory); }
  } catch (...) {}  // what it was is lost on who reads the core dump
  std::abort();
}

/// What fmt throws where stdout cannot be written is remembered with the reason, and said at the end.
vox::Ending ending_of(const std::system_error& e) {
  if (e.code() == std::errc::not_enough_memory) { return {kMemory, e.what()}; }
  if (e.code() == std::errc::resource_unavailable_try_again) {
    return {kMemory, fmt::format("a thread cannot be started: {} (memory for its stack, or a limit on processes)",
                                 e.code().message())};
  }
  if (std::ferror(stdout) == 0) { return {kUsage, e.what()}; }
  vox::note_failed_stdout(e.code().value());
  return {kUsage, {}};
}

vox::Ending run_to_end(int argc, char** argv) {
  try {
    vox::join_world();
    if (!vox::is_first_rank()) { vox::silence_stdout(); }
    check_verb_of_ranks(argc, argv);
    return {run(argc, argv), {}};
  } catch (const vox::ExitCode& e) { return {e.code, {}}; } catch (const vox::OtherRankFailed& e) {
    return {kUsage, e.what(), true};
  } catch (const vox::RankLost& e) { return {vox::kRankLostCode, e.what()}; } catch (const vox::DataError& e) {
    return {kData, e.what()};
  } catch (const vox::MemoryError& e) { return {kMemory, e.what()}; } catch (const vox::NonFiniteError& e) {
    return {kNonFinite, e.what()};
  } catch (const vox::OutputError& e) {
    vox::note_failed_output(e.what());
    return {kUsage, {}};
  } catch (const std::bad_alloc&) {
    return {kMemory, "does not fit in memory: an allocation was refused"};
  } catch (const std::system_error& e) { return ending_of(e); } catch (const std::exception& e) {
    return {kUsage, e.what()};
  }
}

/// Where an output is missing nothing has gone well, whatever the verb says.
void add_failed_output(vox::Ending& ending) {
  for (const std::string& message : vox::finish_output()) {
    ending.code = kUsage;
    ending.because_of_others = false;
    ending.message += (ending.message.empty() ? "" : "\nvoxgrad: ") + message;
  }
}

}  // namespace

int main(int argc, char** argv) {
  vox::hold_standard_descriptors();
  vox::end_on_lost_pages("voxgrad", kData);
  std::set_terminate(end_without_memory);
  static_cast<void>(std::signal(SIGXFSZ, SIG_IGN));  // at the limit of ulimit -f a write fails, and that is said
  vox::Ending ending = run_to_end(argc, argv);
  add_failed_output(ending);
  return vox::leave_world(ending, [](const std::string& text) {
    vox::write_stderr(fmt::format("voxgrad: {}\n", vox::printable_text(text)));
  });
}
