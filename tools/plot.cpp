#include "tools/plot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

extern char** environ;  // NOLINT: of POSIX

namespace vox {
namespace {

namespace fs = std::filesystem;

struct CloseFile {
  void operator()(std::FILE* f) const { std::fclose(f); }  // NOLINT(cppcoreguidelines-owning-memory): of a unique_ptr
};
using File = std::unique_ptr<std::FILE, CloseFile>;

std::string number(double v) { return std::isfinite(v) ? fmt::format("{:.9g}", v) : "NaN"; }

/// In gnuplot's single quotes nothing but the quote itself is special.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) { result += c == '\'' ? std::string("''") : std::string(1, c); }
  return result + "'";
}

std::string data_block(std::span<const EpochRow> rows) {
  std::string text = "$rows << END_OF_ROWS\n";
  for (const EpochRow& r : rows) {
    text += fmt::format("{} {} {} {} {} {} {}\n", r.epoch, number(r.train_loss), number(r.validation_loss),
                        number(r.dice[0]), number(r.dice[1]), number(r.dice[2]), number(r.learning_rate));
  }
  return text + "END_OF_ROWS\n";
}

std::string script(const fs::path& png, std::span<const EpochRow> rows) {
  const auto [first, last] = std::minmax_element(
      rows.begin(), rows.end(), [](const EpochRow& a, const EpochRow& b) { return a.epoch < b.epoch; });
  // One epoch is a point: an empty range would be an error.
  const double low = static_cast<double>(first->epoch) - (rows.size() == 1 ? 1 : 0);
  const double high = static_cast<double>(last->epoch) + (rows.size() == 1 ? 1 : 0);
  return fmt::format("set terminal pngcairo size 1500,480 font 'DejaVu Sans,11'\nset output {}\n{}",
                     quoted(png.string()), data_block(rows)) +
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
         "unset multiplot\n"
         "unset output\n";
}

/// Runs gnuplot with the script on its stdin. What went wrong, or nothing.
std::string run_gnuplot(const std::string& text) {
  const File in(std::tmpfile());  // a file, not a pipe: a child that dies early cannot kill us with SIGPIPE
  const File messages(std::tmpfile());
  if (!in || !messages || std::fwrite(text.data(), 1, text.size(), in.get()) != text.size()) {
    return "no room for a temporary file";
  }
  std::rewind(in.get());
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fileno(in.get()), STDIN_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, fileno(messages.get()), STDERR_FILENO);
  std::string name = "gnuplot";
  std::array<char*, 2> arguments{name.data(), nullptr};
  pid_t child = 0;
  const int error = posix_spawnp(&child, name.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) { return "gnuplot cannot be run (Debian and Ubuntu: apt install gnuplot-nox)"; }
  int status = 0;
  while (waitpid(child, &status, 0) == -1 && errno == EINTR) {}
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) { return {}; }
  std::string said(400, '\0');
  std::rewind(messages.get());
  said.resize(std::fread(said.data(), 1, said.size(), messages.get()));
  const auto space = [](char c) { return c == ' ' || c == '\n'; };
  said.erase(std::unique(said.begin(), said.end(), [&](char a, char b) { return space(a) && space(b); }), said.end());
  std::replace(said.begin(), said.end(), '\n', ' ');
  return "gnuplot failed: " + said;
}

}  // namespace

void plot_training(const fs::path& png, std::span<const EpochRow> rows) {
  if (rows.empty()) { return; }
  const fs::path temporary = png.parent_path() / fmt::format(".{}.{}", png.filename().string(), getpid());
  std::string wrong = run_gnuplot(script(temporary, rows));
  std::error_code error;
  if (wrong.empty()) {
    fs::rename(temporary, png, error);
    if (error) { wrong = error.message(); }
  }
  fs::remove(temporary, error);
  static bool said = false;  // once, not after every epoch
  if (!wrong.empty() && !said) {
    fmt::print(stderr, "{} is not drawn: {}\n", png.string(), wrong);
    said = true;
  }
}

}  // namespace vox
