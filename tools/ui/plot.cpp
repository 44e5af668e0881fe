#include "tools/ui/plot.h"

#include <fmt/core.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "engine/atomic_file.h"
#include "kernels/base/check.h"
#include "tools/ui/output.h"

extern char** environ;  // NOLINT: of POSIX

namespace vox {
namespace {

namespace fs = std::filesystem;

struct CloseFile {
  void operator()(std::FILE* f) const { std::fclose(f); }  // NOLINT(cppcoreguidelines-owning-memory): of a unique_ptr
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::string number(double v) { return std::isfinite(v) ? fmt::format("{:.9g}", v) : "NaN"; }

std::string data_block(std::span<const EpochRow> rows) {
  std::string text = "$rows << END_OF_ROWS\n";
  for (const EpochRow& r : rows) {
    text += fmt::format("{} {} {} {} {} {} {}\n", r.epoch, number(r.train_loss), number(r.validation_loss),
                        number(r.dice[0]), number(r.dice[1]), number(r.dice[2]), number(r.learning_rate));
  }
  return text + "END_OF_ROWS\n";
}

/// Draws on gnuplot's stdout.
std::string script(std::span<const EpochRow> rows) {
  const auto [first, last] = std::minmax_element(
      rows.begin(), rows.end(), [](const EpochRow& a, const EpochRow& b) { return a.epoch < b.epoch; });
  // One epoch is a point: an empty range would be an error.
  const double low = static_cast<double>(first->epoch) - (rows.size() == 1 ? 1 : 0);
  const double high = static_cast<double>(last->epoch) + (rows.size() == 1 ? 1 : 0);
  return "set terminal pngcairo size 1500,480 font 'DejaVu Sans,11'\n" + data_block(rows) +
         fmt::format("set xrange [{}:{}]\n", low, high) +
         "set datafile missing 'NaN'\n"
         "set multiplot layout 1,3\n"
         "set grid lc rgb '#dddddd'\n"
         "set xlabel 'epoch'\n"
         "set style data linespoints\n"
         "set pointsize 0.5\n"
         "set key top right\n"
         "set title 'loss'\n"
         "plot $rows using 1:2 lw 2 pt 7 lc rgb '#1f77b4' title 'train',"
         " '' using 1:3 lw 2 pt 7 lc rgb '#d62728' title 'validation'\n"
         "set title 'Dice of the validation cases'\n"
         "set yrange [0:1]\n"
         "set key bottom right\n"
         "plot $rows using 1:4 lw 2 pt 7 lc rgb '#2ca02c' title 'WT',"
         " '' using 1:5 lw 2 pt 7 lc rgb '#ff7f0e' title 'TC',"
         " '' using 1:6 lw 2 pt 7 lc rgb '#9467bd' title 'ET'\n"
         "set title 'learning rate'\n"
         "set yrange [0:*]\n"
         "set format y '%.1e'\n"
         "plot $rows using 1:7 lw 2 pt 7 lc rgb '#555555' notitle\n"
         "unset multiplot\n";
}

/// A file in memory: not a pipe, so that a child that dies early cannot kill us with SIGPIPE.
File open_in_memory() {
  const int descriptor = memfd_create("gnuplot", MFD_CLOEXEC);
  return File(descriptor < 0 ? nullptr : fdopen(descriptor, "w+"));
}

std::string content_of(std::FILE* file) {
  std::string content;
  std::array<char, 4096> part{};
  std::rewind(file);
  for (std::size_t n = 0; (n = std::fread(part.data(), 1, part.size(), file)) > 0;) { content.append(part.data(), n); }
  return content;
}

struct Drawn {
  std::string png;
  std::string wrong;  ///< what went wrong, or nothing
};

/// Runs gnuplot with the script on its stdin.
Drawn run_gnuplot(const std::string& text) {
  const File in = open_in_memory();
  const File out = open_in_memory();
  const File messages = open_in_memory();
  if (!in || !out || !messages || std::fwrite(text.data(), 1, text.size(), in.get()) != text.size()) {
    return {.png = {}, .wrong = "no memory for gnuplot's input and output"};
  }
  std::rewind(in.get());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in.get()), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(out.get()), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, fileno(messages.get()), STDERR_FILENO);
  std::string name = "gnuplot";
  std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, name.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) { return {.png = {}, .wrong = "gnuplot cannot be run (Debian and Ubuntu: apt install gnuplot-nox)"}; }
  int status = 0;
  while (waitpid(child, &status, 0) == -1 && errno == EINTR) {}
  std::string png = content_of(out.get());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !png.empty()) { return {.png = std::move(png), .wrong = {}}; }
  std::string said = content_of(messages.get()).substr(0, 400);
  const auto space = [](char c) { return c == ' ' || c == '\n'; };
  said.erase(std::unique(said.begin(), said.end(), [&](char a, char b) { return space(a) && space(b); }), said.end());
  std::replace(said.begin(), said.end(), '\n', ' ');
  return {.png = {}, .wrong = "gnuplot failed: " + said};
}

}  // namespace

void plot_training(const fs::path& png, std::span<const EpochRow> rows) {
  if (rows.empty()) { return; }
  Drawn drawn = run_gnuplot(script(rows));
  if (drawn.wrong.empty()) {
    try {
      write_file(png, drawn.png);
    } catch (const OutputError& e) {
      note_failed_output(e.what());
      drawn.wrong = e.what();
    }
  }
  static bool said = false;  // once, not after every epoch
  if (!drawn.wrong.empty() && !said) {
    write_stderr(fmt::format("{} is not drawn: {}\n", png.string(), drawn.wrong));
    said = true;
  }
}

}  // namespace vox
